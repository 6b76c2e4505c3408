/**
 * What the reference cloud holds, as plain records: entities, what was delivered, who delivers. They are written to the
 * journal as they stand, so a field that is renamed here no longer reads the journals of before.
 * `data` is always JSON text exactly as it arrived, never a parsed value.
 */
import type { Operation, PushResult, WireChange } from '../../cloud/wire.js';
import type { Signing } from './webhook-signature.js';

/** A change as pushed, with its row as the text that came. */
export type PushedChange = Omit<WireChange, 'data'> & { data: string | null };

/** A push whose body was read and found to be well formed. */
export type PushedBatch = {
  batch_id: string;
  outlet_id: string;
  install_id: string;
  epoch: number;
  sent_at: string;
  changes: PushedChange[];
};

/** One entity's present state; `deleted` makes it a tombstone, whose `data` is null. */
export type EntityRecord = {
  /** Null where the type is shared among outlets. */
  outlet_id: string | null;
  entity_type: string;
  entity_id: string;
  cloud_id: string;
  cloud_version: number;
  deleted: boolean;
  data: string | null;
  /** When the winning edit was made, as the editor's clock had it. */
  updated_at: string;
  /** Who made it; null: head office. */
  origin_outlet_id: string | null;
};

/** One version that an entity took, at its place in the feed. */
export type FeedEntry = EntityRecord & {
  place: number;
  /** The entity's key in the cloud's memory. */
  key: string;
  /** When the cloud took it. */
  at: string;
  operation: Operation;
  /** The columns that head office named; null: not known. */
  changed_fields: string[] | null;
};

/** `refused`: it arrived and was understood, but the request as a whole was refused and nothing of it was applied. */
export type Outcome = PushResult['status'] | 'refused';

/** One change in one request: the ledger's line. */
export type Delivery = {
  request: number;
  at: string;
  outlet_id: string;
  install_id: string;
  epoch: number;
  batch_id: string;
  change_id: string;
  seq: string;
  tx: string;
  entity_type: string;
  entity_id: string;
  operation: Operation;
  base_cloud_version: number | null;
  after: string | null;
  supersedes: string[];
  changed_at: string;
  outcome: Outcome;
  /** The version that the change produced, now or (`duplicate`) when it was applied; null where it was not applied. */
  cloud_version: number | null;
  /** The row, for `accepted` alone. */
  data: string | null;
  /** Whether a result for it went out to the end. True is no proof that the outlet read it. */
  delivered: boolean;
};

/** One request, whatever became of it. */
export type RequestRecord = {
  request: number;
  at: string;
  method: string;
  path: string;
  /** Without the question mark. */
  query: string;
  outlet_id: string | null;
  user_agent: string | null;
  batch_id: string | null;
  content_encoding: string;
  changes: number;
  /** Body bytes as they travelled, and after decompression. */
  wire_bytes: number;
  raw_bytes: number;
  /** Null: no answer was sent. */
  status: number | null;
  answer_bytes: number;
  /** Kinds of the faults that were played on it. */
  faults: string[];
  /** Pushes open when it came, itself included. */
  in_flight: number;
  delivered: boolean;
  duration_ms: number;
};

/** Something that a correct outlet never does although the contract gives it no answer of its own. */
export type Violation = { request: number; at: string; outlet_id: string; rule: ViolationRule; detail: string };
export type ViolationRule = 'entity in flight twice' | 'after outside the batch' | 'other content under a known id';

/** The ledger in sums. */
export type Statistics = {
  requests: number;
  pushes: number;
  /** By status; `none`: no answer was sent. */
  statuses: Record<string, number>;
  outcomes: Record<Outcome, number>;
  /** Bodies of pushes as they travelled, and after decompression. */
  wire_bytes: number;
  raw_bytes: number;
  answer_bytes: number;
  max_in_flight: number;
  violations: number;
};

/** Where an outlet takes webhooks, and how they are signed. */
export type Subscription = Signing & {
  outlet_id: string;
  /** Of its webhook port, without a path. */
  url: string;
  /** Tells of every change that the outlet can see and did not make. */
  automatic?: boolean;
  /** What automatic webhooks carry; missing: rows. */
  as?: 'row' | 'hint';
};

/** One webhook; `body` is the text that is signed. */
export type WebhookEvent = {
  event_id: string;
  at: string;
  outlet_id: string;
  kind: 'update' | 'delete' | 'conflict';
  body: string;
};

/** `taken`: some 2xx; `refused`: another answer that no repetition would change. */
export type WebhookRecord = WebhookEvent & {
  state: 'waiting' | 'taken' | 'refused' | 'expired';
  /** Status null: no answer came, for the reason in `error`. */
  attempts: { at: string; status: number | null; error: string | null }[];
};
