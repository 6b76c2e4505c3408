/**
 * POST /sync/push: reads and checks the batch, decides, commits, answers. Commit is one journal line and then the memory, with
 * nothing awaited in between, so pushes take effect one after the other and whole; a kill before the line leaves nothing of the batch.
 */
import type { Decision, Imposed } from './decide.js';
import { decideBatch } from './decide.js';
import type { Answer, Exchange } from './exchange.js';
import { changeMatches } from './faults.js';
import { checkIdentity } from './identity.js';
import type { PushLine } from './journal.js';
import { readBody } from './line.js';
import { parsePush } from './parse.js';
import type { Outcome, PushedBatch, PushedChange } from './records.js';
import { Refusal } from './refusal.js';
import { answerFor } from './results.js';
import { watchConduct } from './watch.js';

/** One list for all changes that supersede nothing. */
const NONE: string[] = [];

export async function push(exchange: Exchange): Promise<Answer> {
  const { cloud } = exchange;
  const batch = await read(exchange);
  exchange.record.changes = batch.changes.length;
  exchange.hit(cloud.faults.takeForChanges(exchange.head, batch.changes));
  if (exchange.withheld) {
    commit(exchange, batch, null);
    throw new Refusal(503, 'withheld', 'the fault that withheld this push answers in its place');
  }
  watchConduct(exchange, batch);
  try {
    checkIdentity(cloud.state, batch);
  } catch (refusal) {
    commit(exchange, batch, null);
    throw refusal;
  }
  const decisions = decideBatch(cloud.state, batch.changes, {
    outletId: batch.outlet_id,
    keyOf: (type, id) => cloud.state.keyOf(batch.outlet_id, type, id),
    parentsOf: (type, data) => cloud.state.parentsOf(batch.outlet_id, type, data),
    imposed: (change) => imposedOn(exchange, change),
  });
  commit(exchange, batch, decisions);
  return answerFor(exchange, decisions);
}

async function read(exchange: Exchange): Promise<PushedBatch> {
  const { record } = exchange;
  const { max_batch_changes } = exchange.cloud.capabilities;
  const limit = exchange.fault('limit')?.changes ?? max_batch_changes;
  const batch = parsePush(await readBody(exchange), Math.min(limit, max_batch_changes));
  if (batch.outlet_id !== record.outlet_id) {
    throw new Refusal(403, 'outlet', 'outlet_id is not the one in X-Outlet-ID');
  }
  if (batch.batch_id !== record.batch_id) {
    throw new Refusal(400, 'idempotency_key', 'Idempotency-Key is not the batch_id');
  }
  return batch;
}

/** @param decisions null: the batch is refused as a whole. */
function commit(exchange: Exchange, batch: PushedBatch, decisions: readonly Decision[] | null): void {
  const { cloud, record } = exchange;
  const line: PushLine = {
    kind: 'push',
    refused: decisions === null,
    request: record.request,
    at: record.at,
    outlet_id: batch.outlet_id,
    install_id: batch.install_id,
    epoch: batch.epoch,
    batch_id: batch.batch_id,
    changes: batch.changes.map((change, index) => lineFor(change, decisions?.[index])),
  };
  cloud.journal.append(line);
  cloud.state.push(line);
  cloud.ledger.push(line);
}

function lineFor(change: PushedChange, decision: Decision | undefined): PushLine['changes'][number] {
  const { change_id, seq, tx, entity_type, entity_id, operation, base_cloud_version, changed_at } = change;
  const outcome: Outcome = decision?.status ?? 'refused';
  return {
    change_id,
    seq,
    tx,
    entity_type,
    entity_id,
    operation,
    base_cloud_version,
    after: change.after ?? null,
    supersedes: change.supersedes ?? NONE,
    changed_at,
    outcome,
    cloud_version: decision !== undefined && 'cloud_version' in decision ? decision.cloud_version : null,
    data: outcome === 'accepted' ? change.data : null,
  };
}

function imposedOn(exchange: Exchange, change: PushedChange): Imposed | undefined {
  const meant = (fault: { match?: Parameters<typeof changeMatches>[0] }) => changeMatches(fault.match ?? {}, change);
  const reject = exchange.faults('reject').find(meant);
  if (reject !== undefined) {
    const { retryable, code = 'refused_by_rule', message = 'a rule of head office refuses this change' } = reject;
    return { status: 'rejected', error: { code, message, retryable } };
  }
  const hold = exchange.faults('hold').find(meant);
  if (hold !== undefined) return { status: 'held', waiting_for: hold.waitingFor ?? null };
  return exchange.faults('conflict').some(meant) ? { status: 'conflict' } : undefined;
}
