/** What somebody who runs the reference cloud can see of it and do with it: a demo, a test, the control route. */
import type { Edit } from './edit.js';
import type { Faults } from './faults.js';
import type { Ledger } from './ledger.js';
import type { EntityRecord, FeedEntry, Subscription, WebhookRecord } from './records.js';
import type { WebhookOrder } from './webhook-events.js';

export type ReferenceCloud = {
  /** The base that outlets call, ending in /api/v1. */
  readonly url: string;
  readonly port: number;
  readonly ledger: Ledger;
  readonly faults: Faults;
  /** Every entity and tombstone; with an outlet, those that it can see. */
  entities(outletId?: string): EntityRecord[];
  /** Every version that an entity took, in order; beyond the horizon the latest of each alone. */
  feed(): readonly FeedEntry[];
  /** Where an outlet takes webhooks from now on. */
  subscribe(subscription: Subscription): void;
  /** Sends a webhook and repeats it until it is taken. */
  webhook(order: WebhookOrder): WebhookRecord;
  webhooks(): WebhookRecord[];
  /** How many long polls are open. */
  polling(): number;
  /** An edit by head office: raises the entity's version, makes it where it is missing. */
  edit(edit: Edit): EntityRecord;
  /** Silently loses an entity, its tombstone, and that its changes were ever applied. */
  forget(outletId: string, entityType: string, entityId: string): void;
  /** Notes this moment; returns the name to go back to it by. */
  backup(): string;
  /** Goes back to a backup, under a new cloud epoch, which it returns. */
  restore(backup: string): string;
  /** From now on outlets need this key; the old one is refused. */
  exchangeKey(apiKey: string): void;
  /** Refuses connections, cuts those that are open and sends no webhooks, until `up`. */
  down(): Promise<void>;
  /** Listens again, on the same port. */
  up(): Promise<void>;
  stop(): Promise<void>;
};
