/**
 * Makes a change of our own: the row as it stands now, on top of what the cloud is known to hold, in place of every unsettled
 * change whose effect it contains. It goes out like any captured change; a crash before the commit leaves no trace of it.
 */
import { type RawBuilder, sql } from 'kysely';
import type { Operation } from '../cloud/wire.js';
import { arrayLiteral } from '../db/array.js';
import type { Brake } from './brake.js';

export type Mint = {
  entity_type: string;
  entity_id: string;
  operation: Operation;
  /** The row's text as capture writes it; null on delete. */
  payload: string | null;
  /** What the cloud holds in the columns that this change gives another value: the base of the next comparison. */
  previous: string | null;
  supersedes: string[];
  /** When the edit was made that it carries, by the outlet's clock; null: that is not on record. */
  edited_at: string | 'now' | null;
  /** Why it does not go out at once; like a retry it holds its entity back. */
  brake?: Brake | undefined;
};

/** Returns id and change_id. To be a part of another statement. */
export const minting = (mint: Mint): RawBuilder<unknown> => sql`
    INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload, previous, status, supersedes, created_at, undated,
                                  next_attempt_at, error_message)
    VALUES (${mint.entity_type}, ${mint.entity_id}, ${mint.operation}, ${mint.payload}::pg_catalog.json,
            ${mint.previous}::pg_catalog.json, 'pending',
            nullif(${arrayLiteral(mint.supersedes)}::pg_catalog.uuid[], '{}'),
            coalesce(nullif(${mint.edited_at}::text, 'now')::pg_catalog.timestamptz, pg_catalog.clock_timestamp()),
            ${mint.edited_at === null ? true : null}::boolean,
            pg_catalog.clock_timestamp() + ${mint.brake?.waitMs ?? null}::float8 * interval '1 ms', ${mint.brake?.reason ?? null})
    RETURNING id, change_id`;
