/** Asks the cloud which version of one entity it holds, and nothing of its row. Reads only, on either side. */
import { type CloudClient, isNameable } from './client.js';
import { judgeReply, notTheCloud } from './outcome.js';
import { parseVersion } from './reply.js';

export type HeldVersion =
  | { kind: 'version'; cloud_version: number }
  /** The cloud has neither the entity nor a tombstone of it. */
  | { kind: 'missing' }
  /** It did not say. `again`: it may, when it is asked once more, after so many ms if it named a wait. */
  | { kind: 'failed'; reason: string; again: boolean; waitMs?: number }
  /** Nobody can be asked for an entity of this name. */
  | { kind: 'unaskable'; reason: string };

/** What a cloud, or something before it, answers to a name that it cannot take. */
const TOO_ODD = [414, 431];

/** @param nowMs the wall's clock, to read a `Retry-After` by */
export async function askVersion(
  client: Pick<CloudClient, 'entityVersion'>,
  entity_type: string,
  entity_id: string,
  nowMs: number,
): Promise<HeldVersion> {
  if (!isNameable(entity_type) || !isNameable(entity_id))
    return { kind: 'unaskable', reason: 'its name cannot stand in a URL' };
  const reply = await client.entityVersion(entity_type, entity_id);
  if (reply.kind === 'answer' && reply.status === 404) return { kind: 'missing' };
  const outcome = judgeReply(reply, nowMs);
  if (outcome.kind === 'wait') return { kind: 'failed', reason: outcome.reason, again: true, waitMs: outcome.waitMs };
  if (outcome.kind === 'bad_request' || (outcome.kind === 'refused' && TOO_ODD.includes(outcome.status)))
    return { kind: 'unaskable', reason: outcome.reason };
  if (outcome.kind !== 'ok') return { kind: 'failed', reason: outcome.reason, again: outcome.kind === 'offline' };
  const cloud_version = parseVersion(outcome.body);
  if (cloud_version === undefined) return { kind: 'failed', reason: notTheCloud().reason, again: true };
  return { kind: 'version', cloud_version };
}
