/** Asks a cloud for its figures of the type that the test outlet pushes. */
import type { WireBucket } from '../cloud/wire.js';
import type { Exchange } from './exchange.js';
import type { TestOutlet } from './test-outlet.js';

export const TIMEZONE = 'Asia/Jakarta';
export const NOT_OFFERED = 'capabilities does not list digest';

export const list = (outlet: TestOutlet, bucket: string, date_field: string | null): Promise<Exchange> =>
  outlet.post('/sync/digest/entities', { entity_type: outlet.options.type, bucket, date_field, timezone: TIMEZONE });

export const digestOf = (outlet: TestOutlet, date_field: string | null, buckets: WireBucket[]): Promise<Exchange> =>
  outlet.post('/sync/digest', { entity_type: outlet.options.type, date_field, timezone: TIMEZONE, buckets });
