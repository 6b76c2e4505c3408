/** The digest's arithmetic, as the contract has it. Pure. */
import { createHash } from 'node:crypto';
import type { WireBucket } from '../cloud/wire.js';

/** @param entities id and version of every living entity of the bucket */
export function bucketOf(bucket: string, entities: readonly [entity_id: string, cloud_version: number][]): WireBucket {
  const sum = entities.reduce((total, [id, version]) => total + fingerprint(id, version), 0n);
  return { bucket, count: entities.length, sum: String(BigInt.asUintN(64, sum)) };
}

function fingerprint(id: string, version: number): bigint {
  return BigInt(`0x${createHash('md5').update(`${id}|${version}`).digest('hex').slice(0, 16)}`);
}
