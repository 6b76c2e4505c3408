/**
 * A page of the queue as a few long texts, one for each column, and back. A thousand rows of twelve columns cost the daemon more
 * than everything that it does with them: every value is a message to take apart, and a string of its own to be collected again.
 * Cut out of one long text they are references into it. Pure.
 */
import { type RawBuilder, sql } from 'kysely';
import type { Operation } from '../cloud/wire.js';
import type { ClaimedRow } from './claimed.js';

/** JSON writes this character as an escape, names hardly ever hold it, and where one does the columns come out uneven. */
const END = '\u0001';
/** No cloud id. */
const NONE = '\u0002';

/** Null where the page has no row. */
export type PageTexts = Record<
  | 'ids'
  | 'change_ids'
  | 'txids'
  | 'entity_types'
  | 'entity_ids'
  | 'operations'
  | 'payloads'
  | 'instants'
  | 'versions'
  | 'cloud_versions'
  | 'cloud_ids',
  string | null
> & {
  /** By id, as a JSON object: what few rows have. */
  rare: string | null;
};

/** Columns of `p`, the page's rows in order: those of ClaimedRow as text, and `rare` as json. */
export const pageTexts: RawBuilder<unknown> = sql`
  string_agg(p.id::text, ',') AS ids, string_agg(p.change_id::text, ',') AS change_ids, string_agg(p.txid, ',') AS txids,
  string_agg(p.entity_type, ${sql.lit(END)}) AS entity_types, string_agg(p.entity_id, ${sql.lit(END)}) AS entity_ids,
  string_agg(p.operation, ',') AS operations, string_agg(coalesce(p.payload, ''), ${sql.lit(END)}) AS payloads,
  string_agg(p.changed_at, ',') AS instants, string_agg(coalesce(p.version::text, ''), ',') AS versions,
  string_agg(coalesce(p.cloud_version::text, ''), ',') AS cloud_versions,
  string_agg(coalesce(p.cloud_id, ${sql.lit(NONE)}), ${sql.lit(END)}) AS cloud_ids,
  json_object_agg(p.id, p.rare) FILTER (WHERE p.rare IS NOT NULL) AS rare`;

/** @returns undefined where a name holds the character that ends a value: then the page has to be read row by row */
export function rowsOf(texts: PageTexts): ClaimedRow[] | undefined {
  if (texts.ids === null) return [];
  const cut = (column: keyof PageTexts, at: string) => (texts[column] as string).split(at);
  const [ids, change_ids, txids] = [cut('ids', ','), cut('change_ids', ','), cut('txids', ',')];
  const [entity_types, entity_ids] = [cut('entity_types', END), cut('entity_ids', END)];
  const [operations, payloads] = [cut('operations', ','), cut('payloads', END)];
  const [instants, versions] = [rfc3339(texts.instants as string).split(','), cut('versions', ',')];
  const [cloud_versions, cloud_ids] = [cut('cloud_versions', ','), cut('cloud_ids', END)];
  const uneven = [entity_types, entity_ids, payloads, cloud_ids].some((column) => column.length !== ids.length);
  if (uneven) return undefined;
  const rows: ClaimedRow[] = [];
  let entity_type = '';
  for (let n = 0; n < ids.length; n++) {
    // Rows that follow one another mostly are of one type: they share its name.
    if (entity_types[n] !== entity_type) entity_type = entity_types[n] as string;
    const cloud_id = cloud_ids[n] as string;
    rows.push({
      id: ids[n] as string,
      change_id: change_ids[n] as string,
      txid: txids[n] as string,
      entity_type,
      entity_id: entity_ids[n] as string,
      operation: OPERATIONS[operations[n] as Operation],
      payload: payloads[n] || null,
      changed_at: instants[n] as string,
      version: versions[n] || null,
      cloud_version: cloud_versions[n] || null,
      cloud_id: cloud_id === NONE ? null : cloud_id,
    });
  }
  if (texts.rare !== null) addRare(rows, JSON.parse(texts.rare));
  return rows;
}

/** Instants as Postgres writes them under `TimeZone=UTC`, `2026-11-22 08:00:00.1+00`, to RFC 3339: one, or a list. */
export function rfc3339(instants: string): string {
  return instants.replaceAll(' ', 'T').replaceAll('+00', 'Z');
}

/** One string for each, whatever the number of rows. */
const OPERATIONS: Record<Operation, Operation> = { create: 'create', update: 'update', delete: 'delete' };

function addRare(rows: ClaimedRow[], rare: Record<string, Partial<ClaimedRow>>): void {
  for (const row of rows) Object.assign(row, rare[row.id]);
}
