/**
 * Writes the body of a push request. Pure. The row text that Postgres wrote is spliced in as it is, so no digit of it ever
 * passes through a JavaScript number.
 */
import type { PendingChange } from './backlog.js';

export type Envelope = {
  batch_id: string;
  outlet_id: string;
  install_id: string;
  epoch: string;
  sent_at: string;
};

/** @param changes sorted by `seq`; a later change of an entity names the one before it in `after` */
export function composeBody(envelope: Envelope, changes: readonly PendingChange[]): string {
  const { batch_id, outlet_id, install_id, epoch, sent_at } = envelope;
  const head = `{"batch_id":"${batch_id}","outlet_id":${JSON.stringify(outlet_id)},"install_id":"${install_id}","epoch":${epoch},"sent_at":"${sent_at}","changes":[`;
  const versions = versionsOf(changes);
  const before = new Map<string, string>();
  let body = head;
  for (const [index, change] of changes.entries()) {
    const after = before.get(change.key);
    before.set(change.key, change.change_id);
    if (index > 0) body += ',\n';
    body += composeChange(change, after, versions[index] as number);
  }
  return `${body}]}`;
}

/** The outlet's own version of each change: the agreed one, plus one for every change since, superseded ones included. */
export function versionsOf(changes: readonly PendingChange[]): number[] {
  const counts = new Map<string, number>();
  return changes.map((change) => {
    const count = (counts.get(change.key) ?? 0) + 1 + change.supersedes.length;
    counts.set(change.key, count);
    return change.state.version + count;
  });
}

function composeChange(change: PendingChange, after: string | undefined, version: number): string {
  const { state, supersedes } = change;
  return (
    `{"change_id":"${change.change_id}","seq":"${change.id}","tx":"${change.tx}"` +
    (after === undefined ? '' : `,"after":"${after}"`) +
    (supersedes.length === 0 ? '' : `,"supersedes":${JSON.stringify(supersedes.map(({ change_id }) => change_id))}`) +
    `,"entity_type":${quote(change.entity_type)},"entity_id":${quote(change.entity_id)}` +
    (state.cloudId === null ? '' : `,"cloud_id":${quote(state.cloudId)}`) +
    `,"operation":"${change.operation}","version":${version},"base_cloud_version":${state.cloudVersion ?? 'null'},"changed_at":"${change.changedAt}"` +
    (change.changedFields === null ? '' : `,"changed_fields":${change.changedFields}`) +
    `,"data":${change.payload ?? 'null'}}`
  );
}

/** A string as JSON; most ids need no escaping, and looking is cheaper than asking JSON. */
function quote(text: string): string {
  return /^[\w.:-]*$/.test(text) ? `"${text}"` : JSON.stringify(text);
}

/** Everything of a change but its variable texts: field names, quotes, ids and numbers at their longest. */
const FRAME_BYTES = 420;
/** What one UTF-16 unit of a string takes at most in JSON: `\u0000`. */
const ESCAPED = 6;

/** An upper bound, in bytes, of what a change takes in the body; cheap, for it is reckoned for every change. */
export function sizeOf(change: Omit<PendingChange, 'bytes'>): number {
  const { payload, changedFields, entity_id, entity_type, state, supersedes } = change;
  const quoted = entity_id.length + entity_type.length + (state.cloudId?.length ?? 0);
  return (
    FRAME_BYTES +
    (payload === null ? 0 : Buffer.byteLength(payload)) +
    (changedFields === null ? 0 : Buffer.byteLength(changedFields)) +
    quoted * ESCAPED +
    supersedes.length * 39
  );
}
