/**
 * A cloud that only answers what it holds, reckoned as the wire contract says and in another way than the daemon does it: for
 * tests of the comparison. What it holds is a map that the test may spoil at will.
 */
import { createHash } from 'node:crypto';
import type { Reply } from '../../src/cloud/reply.js';
import type { DigestEntitiesRequest, DigestRequest, WireBucket } from '../../src/cloud/wire.js';
import type { ProofClient } from '../../src/proof/there.js';

export type Holding = { cloud_version: number; bucket: string };

/** `type id` to what is held. */
export class PretendDigest implements ProofClient {
  readonly holds = new Map<string, Holding>();
  readonly requests: DigestRequest[] = [];
  /** Told before every list of entities is given. */
  onListing: (call: number) => Promise<void> | void = () => {};
  digestOffered = true;
  cloud_epoch: string | undefined = 'first';
  listings = 0;

  put(type: string, id: string, cloud_version: number, bucket = '*'): void {
    this.holds.set(`${type} ${id}`, { cloud_version, bucket });
  }

  lose(type: string, id: string): void {
    if (!this.holds.delete(`${type} ${id}`)) throw new Error(`the cloud does not hold ${type} ${id}`);
  }

  async capabilities(): Promise<Reply> {
    return answer(200, { protocol: 1, digest: this.digestOffered, cloud_epoch: this.cloud_epoch });
  }

  async digest(request: DigestRequest): Promise<Reply> {
    this.requests.push(request);
    const ours = this.buckets(request.entity_type);
    const theirs = new Map(request.buckets.map((one) => [one.bucket, one]));
    const names = new Set([...ours.keys(), ...theirs.keys()]);
    const differ = [...names].flatMap((bucket): WireBucket[] => {
      const held = ours.get(bucket) ?? { bucket, count: 0, sum: '0' };
      const said = theirs.get(bucket);
      return said?.count === held.count && said.sum === held.sum ? [] : [held];
    });
    return answer(200, { differ });
  }

  async digestEntities({ entity_type, bucket }: DigestEntitiesRequest): Promise<Reply> {
    await this.onListing(++this.listings);
    const entities = this.#of(entity_type).filter(([, held]) => held.bucket === bucket);
    return answer(200, { entities: entities.map(([id, { cloud_version }]) => [id, cloud_version]) });
  }

  buckets(type: string): Map<string, WireBucket> {
    const found = new Map<string, WireBucket>();
    for (const [id, { cloud_version, bucket }] of this.#of(type)) {
      const digits = createHash('md5').update(`${id}|${cloud_version}`).digest('hex').slice(0, 16);
      const { count, sum } = found.get(bucket) ?? { count: 0, sum: '0' };
      const next = BigInt.asUintN(64, BigInt(sum) + BigInt(`0x${digits}`));
      found.set(bucket, { bucket, count: count + 1, sum: String(next) });
    }
    return found;
  }

  #of(type: string): [id: string, Holding][] {
    return [...this.holds]
      .filter(([name]) => name.startsWith(`${type} `))
      .map(([name, held]) => [name.slice(type.length + 1), held]);
  }
}

function answer(status: number, body: unknown): Reply {
  return { kind: 'answer', status, body: JSON.stringify(body), retryAfter: undefined, date: undefined, durationMs: 1 };
}
