/** Holds what the cloud says of one entity against what it was sent. Pure; as judge-push. */
import { parseObject } from '../cloud/reply.js';
import { parseEntity } from '../inbox/envelope.js';
import { answerWords, broken, type Fault } from './check.js';
import { readExactly, whatIsLost } from './exact.js';
import type { Exchange } from './exchange.js';
import { type Held, LAST_TOLD } from './judge-push.js';

/** @param what the entity in words: `the row` */
export function mustHold(exchange: Exchange, what: string, id: string, held: Held): Fault | undefined {
  const { reply } = exchange;
  if (reply.kind === 'none' || reply.status !== 200)
    return broken(`GET of ${what} gave ${answerWords(exchange)}, not 200`, exchange);
  const read = parseEntity(reply.body);
  if (read.kind === 'malformed') return broken(`${what} cannot be read: ${read.reason}`, exchange);
  const { change } = read;
  if (change.fault !== undefined) return broken(`${what} cannot be read: ${change.fault}`, exchange);
  if (change.entity_id !== id) return broken(`entity_id is ${change.entity_id}, not ${id}`, exchange);
  if (held.version !== null && change.cloud_version !== String(held.version))
    return broken(`${what} has cloud_version ${change.cloud_version}, not ${held.version}${LAST_TOLD}`, exchange);
  const deleted = parseObject(reply.body)?.deleted;
  if (typeof deleted !== 'boolean') return broken('"deleted" is neither true nor false', exchange);
  if (deleted !== (held.row === null)) return broken(`${what} has deleted ${deleted}`, exchange);
  if (change.updated_at === null) return broken('updated_at is missing: when the winning edit was made', exchange);
  if (held.row === null) return undefined;
  const lost = whatIsLost(readExactly(held.row) ?? null, readExactly(change.data ?? 'null'), held.digits ?? 'value');
  return lost === undefined ? undefined : broken(`${what} is not what was sent: ${lost}`, exchange);
}

/** `{"cloud_version": n}`. @param version null: any */
export function mustHaveVersion(exchange: Exchange, what: string, version: number | null): Fault | undefined {
  const { reply } = exchange;
  if (reply.kind === 'none' || reply.status !== 200)
    return broken(`GET of the version of ${what} gave ${answerWords(exchange)}, not 200`, exchange);
  const told = parseObject(reply.body)?.cloud_version;
  if (version === null ? Number.isSafeInteger(told) : told === version) return undefined;
  const wanted = version === null ? 'an integer' : `${version}${LAST_TOLD}`;
  return broken(`${what} has cloud_version ${JSON.stringify(told)}, not ${wanted}`, exchange);
}

export function mustBeUnknown(exchange: Exchange, what: string): Fault | undefined {
  const { reply } = exchange;
  if (reply.kind === 'answer' && reply.status === 404) return undefined;
  return broken(`GET of ${what} gave ${answerWords(exchange)}, not 404`, exchange);
}
