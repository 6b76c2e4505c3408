/**
 * One request of the push endpoint: composes the body, sends it, and says what the answer means for the request as a whole. Nothing
 * is written down here.
 */
import type { CloudClient } from '../cloud/client.js';
import type { ClockOffset } from '../cloud/clock.js';
import type { LogEntry } from '../queue/settle.js';
import type { OnStep } from '../step.js';
import type { PendingChange } from './backlog.js';
import { composeBody, type Envelope } from './compose.js';
import { type ExchangeOutcome, judgeExchange } from './outcome.js';

export type SendDeps = {
  client: CloudClient;
  clock: ClockOffset;
  identity: { outlet_id: string; install_id: string; epoch: string };
  nowMs: () => number;
  /** Why nothing of an answer that names this epoch may count; undefined where all is well. */
  checkEpoch: (cloud_epoch: string | undefined) => Promise<string | undefined>;
  onStep?: OnStep | undefined;
};

/** `log`: what is to be written down of it; of results their outcomes are still missing. */
export type Sent = { outcome: ExchangeOutcome; log: LogEntry; durationMs: number };

/**
 * @param encodings that the cloud takes a body in
 * @returns whatever has become of it: a cloud that does not answer is an outcome, too
 */
export async function send(
  deps: SendDeps,
  batch_id: string,
  changes: PendingChange[],
  encodings: readonly string[],
): Promise<Sent> {
  const sentAtMs = deps.nowMs();
  const envelope: Envelope = {
    batch_id,
    ...deps.identity,
    sent_at: new Date(sentAtMs + deps.clock.correctionMs).toISOString(),
  };
  deps.onStep?.('push claimed');
  const { reply, bytes, wireBytes } = await deps.client.push(composeBody(envelope, changes), batch_id, encodings);
  deps.onStep?.('push answered');
  const judged = judgeExchange(reply, deps.nowMs());
  const restored = judged.kind === 'results' ? await deps.checkEpoch(judged.cloudEpoch) : undefined;
  const outcome: ExchangeOutcome = restored === undefined ? judged : { kind: 'restored', reason: restored };
  if (reply.kind === 'answer') {
    const serverTime = judged.kind === 'results' ? judged.serverTime : undefined;
    deps.clock.observeAnswer(serverTime, reply.date, deps.nowMs(), reply.durationMs);
  }
  const log: LogEntry = {
    batch_id,
    outcome: outcome.kind,
    http_status: reply.kind === 'answer' ? reply.status : null,
    accepted: 0,
    bytes,
    wire_bytes: wireBytes,
    duration_ms: Math.round(reply.durationMs * 1000) / 1000,
    error: 'reason' in outcome ? outcome.reason : null,
    change_ids: changes.map((change) => change.change_id),
    outcomes: outcome.kind === 'results' ? [] : changes.map(() => outcome.kind),
  };
  return { outcome, log, durationMs: reply.durationMs };
}
