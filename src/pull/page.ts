/**
 * One pull from asking to storing: a page of changes is taken apart, held against the cloud's history, and stored with the
 * cursor that follows it. Before: the cursor is the one of the last stored page. After a crash at any point the same page is
 * pulled again; versions make the repeat harmless.
 */
import { createHash, randomUUID } from 'node:crypto';
import type { ChangesQuery, CloudClient } from '../cloud/client.js';
import type { ClockOffset } from '../cloud/clock.js';
import { bearingOf, judgeReply, notTheCloud, type ReplyOutcome } from '../cloud/outcome.js';
import type { Reply } from '../cloud/reply.js';
import type { Bearing } from '../cloud/standing.js';
import type { Db } from '../db/connect.js';
import type { IncomingChange } from '../inbox/change.js';
import { parsePage } from '../inbox/envelope.js';
import { receive } from '../inbox/receive.js';
import type { OnStep } from '../step.js';

export type PullDeps = {
  /** A connection of its own: a large page takes its time. */
  db: Db;
  client: Pick<CloudClient, 'changes' | 'health' | 'aborted'>;
  clock: ClockOffset;
  /** Why nothing of an answer that names this epoch may count; undefined where all is well. */
  checkEpoch: (cloud_epoch: string | null) => Promise<string | undefined>;
  nowMs: () => number;
  onStep?: OnStep | undefined;
};

export type PullReport = { durationMs: number } & (
  | {
      kind: 'page';
      changes: number;
      parked: number;
      more: boolean;
      cursor: string;
      content: string | undefined;
      bytes: number;
    }
  /** Somebody set another cursor meanwhile; nothing was stored. */
  | { kind: 'stale' }
  /** 410: the cursor is too old. */
  | { kind: 'expired' }
  | { kind: 'restored'; reason: string }
  | { kind: 'failed'; bearing: Bearing; tooMuch: boolean }
  /** Given up by ourselves: it says nothing about the cloud. */
  | { kind: 'cut' }
);

/** @param before the content of the page before this one */
export async function pullPage(
  deps: PullDeps,
  query: ChangesQuery,
  before: string | undefined,
  signal: AbortSignal,
): Promise<PullReport> {
  const reply = await deps.client.changes(query, signal);
  const { durationMs } = reply;
  if (reply.kind === 'none' && (signal.aborted || deps.client.aborted)) return { kind: 'cut', durationMs };
  const outcome = judgeReply(reply, deps.nowMs());
  if (outcome.kind === 'refused' && outcome.status === 410 && query.cursor !== null)
    return { kind: 'expired', durationMs };
  if (outcome.kind !== 'ok') return failure(reply, outcome);
  const page = parsePage(outcome.body);
  if (page.kind === 'malformed') return failure(reply, notTheCloud(page.reason));
  // A call that was kept waiting says nothing of when in between the cloud looked at its clock.
  if (reply.kind === 'answer' && query.waitMs === 0)
    deps.clock.observeAnswer(page.server_time, reply.date, deps.nowMs(), durationMs);
  const restored = await deps.checkEpoch(page.cloud_epoch);
  if (restored !== undefined) return { kind: 'restored', reason: restored, durationMs };
  const content = page.changes.length === 0 ? undefined : contentOf(page.changes);
  const bytes = Buffer.byteLength(outcome.body);
  deps.onStep?.('page answered');
  const received = await receive(deps.db, {
    // A cloud that brings the same page for ever finds it taken in: only then does its content name it. After a new start
    // from the beginning the same changes are wanted again.
    event_id: content !== undefined && content === before ? content : nameOf(deps.nowMs()),
    source: 'pull',
    sent_at: null,
    changes: page.changes,
    bytes,
    durationMs,
    httpStatus: 200,
    page: { after: query.cursor, cursor: page.next_cursor },
  });
  deps.onStep?.('page stored');
  if (received.kind === 'stale') return { kind: 'stale', durationMs };
  const { changes, parked } = received.kind === 'stored' ? received : { changes: 0, parked: 0 };
  return {
    kind: 'page',
    changes: changes + parked,
    parked,
    more: page.has_more,
    cursor: page.next_cursor,
    content,
    bytes,
    durationMs,
  };
}

/**
 * Names that rise with time stand beside one another in the index of the events. By chance each would stand on a page of its own,
 * which the database's log then holds whole after every checkpoint: 0.7 kB for a page of news, and more as the index grows.
 */
function nameOf(nowMs: number): string {
  return `${Math.trunc(nowMs).toString(16).padStart(12, '0')}-${randomUUID()}`;
}

function failure(reply: Reply, outcome: Exclude<ReplyOutcome, { kind: 'ok' }>): PullReport {
  const { durationMs } = reply;
  // What a push answers by halving its batch has no meaning here: the request as such is not wanted.
  const unwanted = outcome.kind === 'bad_request' || outcome.kind === 'too_large';
  const bearing: Bearing = unwanted ? { kind: 'refused', reason: outcome.reason } : bearingOf(outcome);
  const tooMuch = reply.kind === 'none' && (reply.timedOut || reply.tooLarge === true);
  return { kind: 'failed', bearing, tooMuch, durationMs };
}

function contentOf(changes: readonly IncomingChange[]): string {
  const hash = createHash('sha256');
  for (const { entity_type, entity_id, operation, cloud_version, data } of changes) {
    hash.update(JSON.stringify([entity_type, entity_id, operation, cloud_version]));
    hash.update(data ?? '');
  }
  return hash.digest('hex');
}
