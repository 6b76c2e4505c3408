/**
 * What PostgreSQL itself says was committed, read through its own logical decoding (`test_decoding`) and not through syncd:
 * one entry for each row, in the order of the commits. A changed key is a delete and a create, as on the wire.
 */
import type pg from 'pg';
import { entityId, type JournalEntry } from '../../src/demo/shop/journal.js';

/** `table`: its bare name; `leaves`: partitions whose rows are this entity's too. */
export type DecodedTable = { entity_type: string; table: string; keys: string[]; leaves: string[] };

const SLOT = 'trial';

/** Commits from here on are kept until they are read. */
export async function openJournal(client: pg.Client): Promise<void> {
  await client.query("SELECT pg_create_logical_replication_slot($1, 'test_decoding')", [SLOT]);
}

export async function readJournal(client: pg.Client, tables: DecodedTable[]): Promise<JournalEntry[]> {
  await client.query("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'");
  const { rows } = await client.query<{ xid: string; data: string }>(
    `SELECT xid::text, data FROM pg_logical_slot_get_changes($1, NULL, NULL, 'skip-empty-xacts', '1')
     WHERE data LIKE 'table public.%'`,
    [SLOT],
  );
  const byName = new Map(
    tables.flatMap((table) => [table.table, ...table.leaves].map((name) => [name, table] as const)),
  );
  return rows.flatMap(({ xid, data }) => {
    const [, name = '', verb = '', tuple = ''] = /^table public\.([^:]+): ([A-Z]+): (.*)$/s.exec(data) ?? [];
    const table = byName.get(name);
    return table ? entriesOf(table, xid, verb, tuple) : [];
  });
}

function entriesOf(table: DecodedTable, tx: string, verb: string, tuple: string): JournalEntry[] {
  const entity_type = table.entity_type;
  const idIn = (text: string) => entityId(table.keys.map((key) => keyText(text, key)));
  const moved = /^old-key: (.*) new-tuple: (.*)$/s.exec(tuple);
  if (moved) {
    return [
      { tx, entity_type, entity_id: idIn(moved[1] ?? ''), operation: 'delete' },
      { tx, entity_type, entity_id: idIn(moved[2] ?? ''), operation: 'create' },
    ];
  }
  const operation = verb === 'INSERT' ? 'create' : verb === 'UPDATE' ? 'update' : 'delete';
  return [{ tx, entity_type, entity_id: idIn(tuple), operation }];
}

/** A key column as the wire writes it: instants are ISO in UTC, everything else is PostgreSQL's text. */
function keyText(tuple: string, column: string): string {
  const found = new RegExp(`(?:^| )${column}\\[([^\\]]+)\\]:('(?:[^']|'')*'|\\S+)`).exec(tuple);
  if (!found) throw new Error(`no ${column} in: ${tuple}`);
  const [, type, raw = ''] = found;
  const text = raw.startsWith("'") ? raw.slice(1, -1).replaceAll("''", "'") : raw;
  return type === 'timestamp with time zone' ? text.replace(' ', 'T').replace(/\+00$/, '+00:00') : text;
}
