/** Asks the cloud which version of one entity it holds, and nothing of its row. Reads only, on either side. */
import type { CloudClient } from './client.js';
import { isNameable } from './client.js';
import { judgeReply, notTheCloud } from './outcome.js';
import { parseVersion } from './reply.js';

export type HeldVersion =
  | { kind: 'version'; cloud_version: number }
  /** The cloud has neither the entity nor a tombstone of it. */
  | { kind: 'missing' }
  /** It did not say. */
  | { kind: 'failed'; reason: string };

export async function askVersion(
  client: Pick<CloudClient, 'entityVersion'>,
  entity_type: string,
  entity_id: string,
  nowMs: number,
): Promise<HeldVersion> {
  if (!isNameable(entity_type) || !isNameable(entity_id))
    return { kind: 'failed', reason: 'its name cannot stand in a URL' };
  const reply = await client.entityVersion(entity_type, entity_id);
  if (reply.kind === 'answer' && reply.status === 404) return { kind: 'missing' };
  const outcome = judgeReply(reply, nowMs);
  if (outcome.kind !== 'ok') return { kind: 'failed', reason: outcome.reason };
  const cloud_version = parseVersion(outcome.body);
  if (cloud_version === undefined) return { kind: 'failed', reason: notTheCloud().reason };
  return { kind: 'version', cloud_version };
}
