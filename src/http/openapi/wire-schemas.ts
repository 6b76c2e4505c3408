/**
 * The bodies of the wire contract between outlet and cloud, as schemas that are published. Additional fields are allowed on
 * both sides. Row data is any JSON: its numbers may have more digits than a program's own numbers hold.
 */
import { z } from 'zod';

export const text = z.string();
export const instant = z.string().meta({ format: 'date-time', description: 'RFC 3339, UTC' });
export const uuid = z.string().meta({ format: 'uuid' });
export const version = z.int().min(0);
const digits = z.string().regex(/^\d+$/);
const row = z
  .record(z.string(), z.unknown())
  .describe('The whole row, without excluded columns. Numbers keep all their digits: do not read them as doubles.');

export const Operation = z.enum(['create', 'update', 'delete']);

const Change = z
  .object({
    change_id: uuid.describe("The change's name for ever: applied once"),
    seq: digits.describe("Place in the outlet's queue; increases, has gaps"),
    tx: digits.describe('The local transaction; changes with the same one committed together. Unique within an epoch'),
    after: uuid
      .optional()
      .describe('An earlier change of the same entity in this batch, on whose result this one builds'),
    supersedes: z
      .array(uuid)
      .optional()
      .describe('Changes of the entity whose effect this one contains; never sent again'),
    entity_type: text,
    entity_id: text.describe('The primary key as text; a composite key is a JSON array of texts'),
    cloud_id: text.nullish(),
    operation: Operation,
    version: version.describe("The outlet's own counter for the entity; informative"),
    base_cloud_version: version.nullish().describe('The cloud version that this builds on; null: none is known'),
    changed_at: instant.describe("The outlet's clock at the change, corrected by its offset from the cloud's"),
    changed_fields: z.array(text).optional().describe('On update, where known'),
    data: row.nullable().describe('The whole row after the change; null on delete'),
  })
  .describe('One create, update or delete of an outlet');

const PushRequest = z.object({
  batch_id: uuid.describe('Also in Idempotency-Key; repeated only where the very same changes are sent again'),
  outlet_id: text,
  install_id: uuid.describe('With epoch: one living copy of the outlet'),
  epoch: z.int().min(1),
  sent_at: instant,
  changes: z.array(Change).min(1).describe('Whole transactions, sorted by seq'),
});

const judged = { change_id: uuid };
const PushResult = z
  .discriminatedUnion('status', [
    z.object({ ...judged, status: z.literal('accepted'), cloud_version: version, cloud_id: text.nullish() }),
    z
      .object({ ...judged, status: z.literal('duplicate'), cloud_version: version, cloud_id: text.nullish() })
      .describe('Applied before; the version that it made then'),
    z
      .object({
        ...judged,
        status: z.literal('conflict'),
        current: z.object({
          cloud_version: version.describe('0: neither row nor tombstone'),
          updated_at: instant.nullish(),
          deleted: z.boolean(),
          data: row.nullable(),
        }),
      })
      .describe('The base is not the present version; nothing was applied'),
    z
      .object({
        ...judged,
        status: z.literal('held'),
        waiting_for: z.object({ entity_type: text, entity_id: text }).nullish(),
      })
      .describe('An earlier change or a parent is missing; nothing was applied'),
    z.object({
      ...judged,
      status: z.literal('rejected'),
      error: z.object({ code: text, message: text, retryable: z.boolean() }),
    }),
  ])
  .describe('What became of one change');

const PushAnswer = z.object({
  results: z.array(PushResult).describe('One for each change, in any order'),
  cloud_epoch: text.optional().describe("Names the cloud's history; another one means that it was restored"),
  server_time: instant.optional(),
});

const CloudChange = z
  .object({
    entity_type: text,
    entity_id: text,
    cloud_id: text.nullish(),
    operation: Operation,
    cloud_version: version,
    updated_at: instant.describe('When the winning edit was made, not when it arrived'),
    origin_outlet_id: text.nullish(),
    changed_fields: z.array(text).optional(),
    data: row
      .nullish()
      .describe('Always the whole row; null on delete. In a webhook it may be missing: then the entity is fetched'),
  })
  .describe('One change of the cloud');

const Page = z.object({
  changes: z.array(CloudChange),
  next_cursor: text.nullable().describe('Opaque; stored with the page that it follows'),
  has_more: z.boolean(),
  cloud_epoch: text.optional(),
  server_time: instant.optional(),
});

const Entity = CloudChange.extend({ deleted: z.boolean().optional() }).describe('One entity as the cloud holds it');

const Capabilities = z.object({
  protocol: z.int(),
  max_batch_changes: z.int().min(1),
  max_batch_bytes: z.int().min(1).describe('Uncompressed'),
  encodings: z.array(text).describe('What a request may be compressed with'),
  long_poll: z.boolean(),
  digest: z.boolean(),
  cloud_epoch: text.optional(),
});

const bucketName = z
  .string()
  .regex(/^(\d{4}-\d\d-\d\d|\*)$/)
  .describe('A day, or * for all rows that have none');
const dateField = text
  .nullable()
  .describe(
    'The column whose day sorts the rows: an instant with an offset as timezone has it, any other date as written. What is neither, or has no year of four digits, lies in bucket *; null: all rows do',
  );

const Bucket = z
  .object({
    bucket: bucketName,
    count: z.int().min(0).describe('Entities that are not deleted'),
    sum: digits.describe(
      "Of their fingerprints, modulo 2^64, in decimal. A fingerprint: the first 16 hex digits of md5(entity_id || '|' || cloud_version) as an unsigned number",
    ),
  })
  .describe('One day of an entity type in short');

const DigestRequest = z.object({
  entity_type: text,
  date_field: dateField,
  timezone: text.meta({ examples: ['Asia/Jakarta'] }),
  buckets: z.array(Bucket).describe('Every bucket that the outlet has, each once'),
});

const DigestAnswer = z.object({
  differ: z
    .array(Bucket)
    .describe("The cloud's side of each bucket that differs or was left out; count 0 and sum 0 where it has nothing"),
  cloud_epoch: text.optional(),
});

const DigestEntitiesRequest = z.object({
  entity_type: text,
  bucket: bucketName,
  date_field: dateField,
  timezone: text,
});

const DigestEntitiesAnswer = z.object({
  entities: z
    .array(z.tuple([text, version]))
    .describe('Id and version of every entity of the bucket that is not deleted'),
  cloud_epoch: text.optional(),
});

const Refusal = z.object({
  error: z.object({ code: text, message: text.optional(), epoch: z.int().optional() }),
});

const CloudEvent = z
  .object({ event_id: text, sent_at: instant, changes: z.array(CloudChange) })
  .describe('A single bare change is accepted in its place');

const CloudConflict = z.object({
  event_id: text,
  sent_at: instant,
  entity_type: text,
  entity_id: text,
  cloud_version: version,
  updated_at: instant,
  data: row.nullable(),
});

/** By the name under which each is published. */
export const WIRE_SCHEMAS = {
  Operation,
  Change,
  PushRequest,
  PushResult,
  PushAnswer,
  CloudChange,
  Page,
  Entity,
  Capabilities,
  Bucket,
  DigestRequest,
  DigestAnswer,
  DigestEntitiesRequest,
  DigestEntitiesAnswer,
  Refusal,
  CloudEvent,
  CloudConflict,
};
