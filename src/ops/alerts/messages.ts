/**
 * Sends what people are to be told, beside everything else: a receiver that hangs or is away holds up nobody, and its message is
 * tried again with growing waits, a bounded number of times. Messages stand in the database until they are told, so a restart
 * loses none; a crash right after the sending may tell one twice.
 */
import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { postJson } from '../../cloud/client.js';
import type { Reply } from '../../cloud/reply.js';
import type { AlertTarget } from '../../config/settings.js';
import type { Db } from '../../db/connect.js';
import type { Log } from '../../log.js';
import { monotonicMs } from '../../time.js';
import type { Chore } from '../chores.js';
import { runAlertCommand } from './command.js';
import type { AlertMessage } from './words.js';

export type SendingDeps = {
  db: Db;
  send: () => readonly AlertTarget[];
  log: Log;
  version: string;
  /** For the whole of one sending. */
  limitMs?: { url: number; command: number };
};

const LOOK_MS = 1_000;
const LIMIT_MS = { url: 10_000, command: 20_000 };
/** 30 s, 1 min, 2 min … 30 min: half a day in all. */
const FIRST_WAIT_MS = 30_000;
const LONGEST_WAIT_MS = 1_800_000;
const MOST_TRIES = 28;
const AT_ONCE = 4;

/** An entry of alerts.send by a digest: it names the entry over restarts and tells nobody what is in it. */
export function targetOf(target: AlertTarget): string {
  return createHash('sha256').update(JSON.stringify(target)).digest('hex').slice(0, 16);
}

/** How long until the next try. @param failed tries so far, the last one included; undefined: no more */
export function waitAfter(failed: number): number | undefined {
  return failed >= MOST_TRIES ? undefined : Math.min(FIRST_WAIT_MS * 2 ** (failed - 1), LONGEST_WAIT_MS);
}

type Waiting = { id: string; alert_id: string; target: string; body: string; attempts: number };
type Result = { message: Waiting; fault: string | undefined };

export class AlertMessages {
  readonly #deps: SendingDeps;
  readonly #busy = new Set<string>();
  readonly #results: Result[] = [];
  /** When to look into the table next; a message that is written makes it due. */
  #dueMs = 0;

  constructor(deps: SendingDeps) {
    this.#deps = deps;
  }

  get chore(): Chore {
    return { name: 'alert messages', everyMs: LOOK_MS, run: (signal) => this.turn(signal) };
  }

  wake(): void {
    this.#dueMs = 0;
  }

  /** Notes what was sent, and begins to send what is due; waits for no receiver. @returns false */
  async turn(signal: AbortSignal): Promise<boolean> {
    for (const result of this.#results.splice(0)) {
      await this.#note(result);
      this.#busy.delete(result.message.target);
      this.#dueMs = 0;
    }
    if (monotonicMs() < this.#dueMs) return false;
    const { waiting, dueMs } = await read(this.#deps.db);
    this.#dueMs = monotonicMs() + (dueMs ?? Number.POSITIVE_INFINITY);
    for (const message of waiting) {
      if (this.#busy.has(message.target) || this.#busy.size >= AT_ONCE) continue;
      this.#busy.add(message.target);
      void this.#send(message, signal).then((fault) => {
        // What was cut off by our own end is sent by the next run.
        if (!signal.aborted) this.#results.push({ message, fault });
      });
    }
    return false;
  }

  /** @returns why nobody was told */
  async #send({ target, body }: Waiting, signal: AbortSignal): Promise<string | undefined> {
    const { send, version, limitMs = LIMIT_MS } = this.#deps;
    const receiver = send().find((one) => targetOf(one) === target);
    if (!receiver) return NOBODY;
    const message = JSON.parse(body) as AlertMessage;
    if ('command' in receiver) return runAlertCommand(receiver.command, message, limitMs.command, signal);
    return faultOf(await postJson(receiver.url, message, limitMs.url, version, signal));
  }

  async #note({ message, fault }: Result): Promise<void> {
    const { db, log } = this.#deps;
    const { id, alert_id } = message;
    if (fault === undefined || fault === NOBODY) return told(db, id, null);
    const waitMs = waitAfter(message.attempts + 1);
    log.warn('an alert could not be told to everybody', {
      alert_id,
      trouble: `alert message ${message.target}`,
      error: fault,
    });
    if (waitMs === undefined) return told(db, id, `given up after ${MOST_TRIES} tries: ${fault}`);
    await sql`
      WITH message AS (
        UPDATE syncd.alert_messages SET attempts = attempts + 1, next_try_at = clock_timestamp() + ${waitMs} * interval '1 ms'
        WHERE id = ${id}::bigint RETURNING alert_id
      )
      UPDATE syncd.alerts a SET told_error = ${fault} FROM message WHERE a.id = message.alert_id`.execute(db);
  }
}

/** The receiver was taken out of the configuration meanwhile. */
const NOBODY = 'nobody';

function faultOf(reply: Reply): string | undefined {
  if (reply.kind === 'none') return reply.error;
  if (reply.status >= 300 && reply.status < 400)
    return `it answers with a redirect (HTTP ${reply.status}), which is not followed`;
  return reply.status >= 200 && reply.status < 300 ? undefined : `it answers HTTP ${reply.status}`;
}

async function read(db: Db): Promise<{ waiting: Waiting[]; dueMs: number | null }> {
  // One whose time is farther off than any wait was dated by a clock that was wrong.
  const { rows } = await sql<Waiting & { left_ms: number }>`
    SELECT m.id::text AS id, m.alert_id::text AS alert_id, m.target, m.body::text AS body, m.attempts,
           CASE WHEN m.next_try_at > clock_timestamp() + ${LONGEST_WAIT_MS + 60_000} * interval '1 ms' THEN 0
                ELSE extract(epoch FROM m.next_try_at - clock_timestamp()) * 1000 END::float8 AS left_ms
    FROM syncd.alert_messages m
    WHERE NOT EXISTS (SELECT FROM syncd.alert_messages e WHERE e.alert_id = m.alert_id AND e.target = m.target AND e.id < m.id)
    ORDER BY m.id LIMIT 100`.execute(db);
  const waiting = rows.filter(({ left_ms }) => left_ms <= 0);
  const later = rows.map(({ left_ms }) => left_ms).filter((ms) => ms > 0);
  return { waiting, dueMs: later.length > 0 ? Math.min(...later) : null };
}

/** The message leaves; the alert is told once none is left. */
async function told(db: Db, id: string, error: string | null): Promise<void> {
  await sql`
    WITH message AS (
      DELETE FROM syncd.alert_messages WHERE id = ${id}::bigint RETURNING alert_id, event
    )
    UPDATE syncd.alerts a
    SET told_error = coalesce(${error}, a.told_error),
        told_at = CASE WHEN message.event = 'raised' AND NOT EXISTS (
          SELECT FROM syncd.alert_messages m WHERE m.alert_id = a.id AND m.event = 'raised' AND m.id <> ${id}::bigint)
          THEN clock_timestamp() ELSE a.told_at END
    FROM message WHERE a.id = message.alert_id`.execute(db);
}
