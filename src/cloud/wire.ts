/**
 * The wire contract's types: what an outlet sends and what it may expect back. Types only, so that the reference cloud and
 * the tests can share them without sharing any code with the daemon.
 */

/** One change as it travels. `data` is row text that Postgres wrote; the daemon splices it in and never parses it. */
export type WireChange = {
  change_id: string;
  seq: string;
  tx: string;
  after?: string;
  supersedes?: string[];
  entity_type: string;
  entity_id: string;
  cloud_id?: string | null;
  operation: Operation;
  version: number;
  base_cloud_version: number | null;
  changed_at: string;
  changed_fields?: string[];
  data: unknown;
};

export type Operation = 'create' | 'update' | 'delete';

/** What the cloud holds where it answered `conflict`; version 0 with `deleted`: neither row nor tombstone. */
export type WireCurrent = { cloud_version: number; updated_at?: string | null; deleted: boolean; data: unknown };

export type PushResult =
  | { change_id: string; status: 'accepted' | 'duplicate'; cloud_version: number; cloud_id?: string | null }
  | { change_id: string; status: 'conflict'; current: WireCurrent }
  | { change_id: string; status: 'held'; waiting_for?: { entity_type: string; entity_id: string } | null }
  | { change_id: string; status: 'rejected'; error: { code: string; message: string; retryable: boolean } };

export type WireCapabilities = {
  protocol: number;
  max_batch_changes: number;
  max_batch_bytes: number;
  encodings: string[];
  long_poll: boolean;
  digest: boolean;
  cloud_epoch?: string;
};

/**
 * One day of an entity type in short: how many entities live at one side, and the sum of their fingerprints modulo 2^64 as a
 * decimal string. A fingerprint is the first 16 hex digits of `md5(entity_id || '|' || cloud_version)`.
 */
export type WireBucket = { bucket: string; count: number; sum: string };

/** The days of `date_field` in `timezone`; null where the type has no such column: then all is one bucket, `*`. */
export type DigestRequest = {
  entity_type: string;
  date_field: string | null;
  timezone: string;
  buckets: WireBucket[];
};

/** Buckets that differ, and those that the outlet left out, as the cloud has them. */
export type DigestAnswer = { differ: WireBucket[]; cloud_epoch?: string };

/** The last two say how the bucket was made, for a cloud that does not remember the digest before. */
export type DigestEntitiesRequest = {
  entity_type: string;
  bucket: string;
  date_field: string | null;
  timezone: string;
};

/** Id and version of every living entity of the bucket. */
export type DigestEntitiesAnswer = { entities: [entity_id: string, cloud_version: number][]; cloud_epoch?: string };
