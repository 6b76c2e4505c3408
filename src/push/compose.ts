/**
 * Writes the body of a push request. Pure. The row text that Postgres wrote is spliced in as it is, so no digit of it ever
 * passes through a JavaScript number.
 */
import { BYTES_PER_NAME, type PendingChange } from './backlog.js';
import { Body } from './body.js';

export type Envelope = {
  batch_id: string;
  outlet_id: string;
  install_id: string;
  epoch: string;
  sent_at: string;
};

/** @param changes sorted by `seq`; a later change of an entity names the one before it in `after` */
export function composeBody(envelope: Envelope, changes: readonly PendingChange[]): Buffer {
  const { batch_id, outlet_id, install_id, epoch, sent_at } = envelope;
  const head = `{"batch_id":"${batch_id}","outlet_id":${JSON.stringify(outlet_id)},"install_id":"${install_id}","epoch":${epoch},"sent_at":"${sent_at}","changes":[`;
  const { versions, before } = chainOf(changes);
  const body = new Body(changes.reduce((sum, change) => sum + change.bytes, 3 * head.length + 1024));
  body.add(head);
  for (let index = 0; index < changes.length; index++) {
    const change = changes[index] as PendingChange;
    const after = changes[before[index] as number]?.change_id;
    const open = composeChange(change, after, versions[index] as number);
    body.add(index > 0 ? `,\n${open}` : open);
    // The row text is much the longest part: it goes from where it is to where it belongs, and into no other string.
    body.add(change.payload ?? 'null');
    body.add('}');
  }
  body.add(']}');
  return body.bytes;
}

/** How the changes of a batch follow one another; parallel to them. */
export type Chain = {
  /** The outlet's own version of each: the agreed one, plus one for every change since, superseded ones included. */
  versions: number[];
  /** Where in the batch its entity's change before it stands; -1: nowhere. */
  before: number[];
};

export function chainOf(changes: readonly PendingChange[]): Chain {
  const latest = new Map<string, number>();
  const ahead: number[] = [];
  const chain: Chain = { versions: [], before: [] };
  for (let index = 0; index < changes.length; index++) {
    const { key, state, supersedes } = changes[index] as PendingChange;
    const before = latest.get(key) ?? -1;
    latest.set(key, index);
    chain.before.push(before);
    ahead.push((ahead[before] ?? 0) + 1 + supersedes.length);
    chain.versions.push(state.version + (ahead[index] as number));
  }
  return chain;
}

/** All of a change but its row. */
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
    ',"data":'
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
    supersedes.length * BYTES_PER_NAME
  );
}
