/**
 * The cloud's durability: an append-only file of JSON lines, one for each thing that happened. A line is written whole before
 * its answer goes out, so what an outlet was told survives a kill -9 of the cloud. A torn last line was never answered: it is cut off.
 */
import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { SyncError } from '../../errors.js';
import type { Delivery, EntityRecord, FeedEntry, Subscription, WebhookEvent, WebhookRecord } from './records.js';

type Header = 'request' | 'at' | 'outlet_id' | 'install_id' | 'epoch' | 'batch_id';

/** The first line: the cloud's own epoch, made once; only a restore gives it another. */
type StartLine = { kind: 'start'; cloud_epoch: string };
/** One push that was read and understood; `refused`: nothing of it was applied. */
export type PushLine = { kind: 'push'; refused: boolean; changes: Omit<Delivery, Header | 'delivered'>[] } & Pick<
  Delivery,
  Header
>;
/** A push's answer went out to the end, with a result for every change but these. */
type AckLine = { kind: 'ack'; request: number; without: string[] };
/** An edit by head office; null `data` deletes. */
export type EditLine = { kind: 'edit' } & Pick<
  FeedEntry,
  'at' | 'outlet_id' | 'entity_type' | 'entity_id' | 'cloud_version' | 'changed_fields' | 'data' | 'updated_at'
>;
/** An entity was lost, silently. */
export type ForgetLine = { kind: 'forget'; outlet_id: string } & Pick<EntityRecord, 'entity_type' | 'entity_id'>;
/** Everything before this line can be gone back to. */
type BackupLine = { kind: 'backup'; backup: string };
/** What came after the backup is undone, and the cloud's epoch is another one. */
type RestoreLine = { kind: 'restore'; backup: string; cloud_epoch: string };
type SubscribeLine = { kind: 'subscribe'; subscription: Subscription };
type WebhookLine = { kind: 'webhook'; event: WebhookEvent };
/** What became of one attempt, and so of the event. */
export type WebhookAnswerLine = { kind: 'webhook-answer' } & Pick<WebhookRecord, 'event_id' | 'state'> &
  WebhookRecord['attempts'][number];
export type CourierLine = SubscribeLine | WebhookLine | WebhookAnswerLine;
export type JournalLine =
  | StartLine
  | PushLine
  | AckLine
  | EditLine
  | ForgetLine
  | BackupLine
  | RestoreLine
  | CourierLine;

const CHUNK_BYTES = 1024 * 1024;

export class Journal {
  #file: number | undefined;
  #closed = false;

  private constructor(file: number | undefined) {
    this.#file = file;
  }

  /** Opens or makes the file and hands every line in it to `replay`, oldest first. Without a path nothing is kept. */
  static open(path: string | undefined, replay: (line: JournalLine) => void): Journal {
    if (path === undefined) return new Journal(undefined);
    const file = openSync(path, 'a+', 0o600);
    try {
      const whole = readLines(file, (text, number) => replay(parse(text, number, path)));
      ftruncateSync(file, whole);
    } catch (error) {
      closeSync(file);
      throw error;
    }
    return new Journal(file);
  }

  /** @throws SyncError once closed: what cannot be kept must not be answered. */
  append(line: JournalLine): void {
    if (this.#closed) throw new SyncError('failed', "cannot write the cloud's journal: the cloud has stopped");
    if (this.#file === undefined) return;
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    for (let written = 0; written < bytes.length; ) written += writeSync(this.#file, bytes, written);
  }

  /** Whether nothing can be kept any more. */
  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
    this.#closed = true;
  }
}

function parse(text: string, number: number, path: string): JournalLine {
  try {
    return JSON.parse(text) as JournalLine;
  } catch (cause) {
    throw new SyncError('failed', `cannot read the cloud's journal: line ${number} of ${path} is damaged`, {
      hint: 'Remove the file to start with an empty cloud.',
      cause,
    });
  }
}

/** Calls `take` for every line that ends; returns the number of bytes that they fill. */
function readLines(file: number, take: (text: string, number: number) => void): number {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let open: Buffer[] = [];
  let position = 0;
  let whole = 0;
  let number = 0;
  for (;;) {
    const length = readSync(file, chunk, 0, CHUNK_BYTES, position);
    if (length === 0) return whole;
    let from = 0;
    for (let end = chunk.indexOf(10); end !== -1 && end < length; end = chunk.indexOf(10, from)) {
      open.push(Buffer.from(chunk.subarray(from, end)));
      take(Buffer.concat(open).toString('utf8'), ++number);
      open = [];
      from = end + 1;
      whole = position + from;
    }
    open.push(Buffer.from(chunk.subarray(from, length)));
    position += length;
  }
}
