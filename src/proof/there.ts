/**
 * Asks the cloud what it holds: which days of a type differ from ours, and what lies in such a day. Nothing is changed on
 * either side. What is no answer by the contract ends the comparison with the reason.
 */

import { askVersion } from '../cloud/ask-version.js';
import type { CloudClient } from '../cloud/client.js';
import { judgeReply, notTheCloud } from '../cloud/outcome.js';
import { parseCapabilities, parseObject, type Reply } from '../cloud/reply.js';
import type { DigestRequest, WireBucket } from '../cloud/wire.js';
import { SyncError } from '../errors.js';
import { sleep } from '../time.js';
import type { There } from './difference.js';

export type ProofClient = Pick<CloudClient, 'capabilities' | 'digest' | 'digestEntities'>;

/**
 * @returns the name of the cloud's history, where it has one
 * @throws SyncError `failed` where this cloud cannot be compared with, `unavailable` where it does not answer
 */
export async function mustOfferDigest(client: ProofClient): Promise<string | undefined> {
  const reply = await client.capabilities();
  const known = reply.kind === 'answer' && reply.status === 404 ? undefined : answered(reply);
  // A captive portal answers everything.
  if (known !== undefined && parseObject(known) === undefined) throw unreadable('/sync/capabilities');
  const { digest, cloud_epoch } = parseCapabilities(known);
  if (digest) return cloud_epoch;
  throw new SyncError('failed', 'this cloud cannot be compared with: its capabilities do not offer the digest', {
    hint: 'The team of the cloud finds /sync/digest in the wire contract. One entity: syncd pull TYPE ID --dry-run',
  });
}

/** The buckets that differ, those included that only one side has. @throws as mustOfferDigest */
export async function differingBuckets(client: ProofClient, request: DigestRequest): Promise<string[]> {
  const answer = parseObject(answered(await client.digest(request)));
  const differ = listOf(answer?.differ, isBucket);
  if (differ === undefined) throw unreadable('/sync/digest');
  return differ.map(({ bucket }) => bucket);
}

/** All living entities of some buckets. @throws as mustOfferDigest */
export async function entitiesThere(
  client: ProofClient,
  { entity_type, date_field, timezone }: Omit<DigestRequest, 'buckets'>,
  buckets: readonly string[],
): Promise<Map<string, There>> {
  const found = new Map<string, There>();
  for (const bucket of buckets) {
    const reply = await client.digestEntities({ entity_type, bucket, date_field, timezone });
    const entities = listOf(parseObject(answered(reply), Number.POSITIVE_INFINITY)?.entities, isEntity);
    if (entities === undefined) throw unreadable('/sync/digest/entities');
    for (const [entity_id, cloud_version] of entities) found.set(entity_id, { cloud_version, bucket });
  }
  return found;
}

/** Requests at a time: the line's round trips, not the cloud, are what takes time. */
const AT_ONCE = 8;

/**
 * The versions of entities that are in no list of the living, tombstones included; null where there is not even one.
 * @throws as mustOfferDigest
 */
export async function versionsThere(
  client: Pick<CloudClient, 'entityVersion'>,
  entity_type: string,
  entity_ids: readonly string[],
): Promise<Map<string, number | null>> {
  const versions = new Map<string, number | null>();
  for (let from = 0; from < entity_ids.length; from += AT_ONCE) {
    const some = entity_ids.slice(from, from + AT_ONCE);
    const held = await Promise.all(some.map((id) => patientVersion(client, entity_type, id)));
    for (const [place, id] of some.entries()) versions.set(id, held[place] ?? null);
  }
  return versions;
}

/** One bad answer among thousands must not end it all. */
const TRIES = 5;
const FIRST_WAIT_MS = 500;

async function patientVersion(
  client: Pick<CloudClient, 'entityVersion'>,
  entity_type: string,
  entity_id: string,
): Promise<number | null> {
  for (let tried = 1; ; tried++) {
    const held = await askVersion(client, entity_type, entity_id, Date.now());
    if (held.kind === 'version') return held.cloud_version;
    if (held.kind !== 'failed') return null;
    if (!held.again || tried >= TRIES) throw unavailable(held.reason);
    await sleep(held.waitMs ?? FIRST_WAIT_MS * 2 ** tried);
  }
}

function answered(reply: Reply): string {
  const outcome = judgeReply(reply, Date.now());
  if (outcome.kind === 'ok') return outcome.body;
  throw unavailable(outcome.reason);
}

function unavailable(reason: string): SyncError {
  return new SyncError('unavailable', `the cloud cannot be asked what it holds: ${reason}`, {
    hint: 'See: syncd doctor. Nothing was changed.',
  });
}

function unreadable(path: string): SyncError {
  return new SyncError('unavailable', `the cloud's answer to ${path} cannot be read: ${notTheCloud().reason}`, {
    hint: 'Nothing was changed. If it stays so, the team of the cloud finds the answer in the wire contract.',
  });
}

function listOf<T>(value: unknown, is: (one: unknown) => one is T): T[] | undefined {
  return Array.isArray(value) && value.every(is) ? value : undefined;
}

function isBucket(value: unknown): value is WireBucket {
  return typeof value === 'object' && value !== null && 'bucket' in value && isText(value.bucket);
}

function isEntity(value: unknown): value is [string, number] {
  return Array.isArray(value) && isText(value[0]) && Number.isSafeInteger(value[1]) && value[1] > 0;
}

/** One that PostgreSQL can hold too. */
function isText(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0');
}
