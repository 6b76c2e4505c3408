/**
 * What the POS committed, as PostgreSQL tells it: every changed row with its values, in the order of the commits, from its own
 * logical decoding (`test_decoding`). Nothing that syncd says of itself is asked. A slot keeps the commits from its creation on, also over a
 * crash; reading leaves it as it was. A swap of keys inside one statement reads as deletes and creates here: tests that swap
 * keys have to look for themselves.
 */
import type pg from 'pg';
import type { Operation } from '../../../src/cloud/wire.js';
import type { ComparedTable } from '../../../src/demo/compare.js';
import { entityId } from '../../../src/demo/shop/journal.js';

export type CommittedChange = {
  tx: string;
  /** Who committed: a transaction that wrote syncd's own states too is one that applied something. */
  by: 'pos' | 'syncd';
  entity_type: string;
  entity_id: string;
  operation: Operation;
  /** The row as a JSON object of texts (json columns as they are), without excluded columns; null on delete. */
  data: string | null;
};

const SLOT = 'convergence';

/** Wants `wal_level = logical`. */
export async function keepCommits(client: pg.Client): Promise<void> {
  await client.query("SELECT pg_create_logical_replication_slot($1, 'test_decoding')", [SLOT]);
}

/** Every commit since `keepCommits` that changed one of the tables. Updates that left the row as it was are no change. */
export async function readCommits(client: pg.Client, tables: ComparedTable[]): Promise<CommittedChange[]> {
  await client.query("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET extra_float_digits = 1");
  // Decoding reads what is flushed; this commit is, and so is everything that was committed before it without waiting.
  await client.query("SELECT pg_logical_emit_message(true, 'convergence', '')");
  // One reading decodes everything since the slot was made, so it is asked once; a line without data is of syncd's own states.
  const { rows } = await client.query<{ xid: string; data: string | null }>(
    `SELECT xid::text, CASE WHEN data NOT LIKE 'table syncd.%' THEN data END AS data
     FROM pg_logical_slot_peek_changes($1, NULL, NULL, 'skip-empty-xacts', '1')
     WHERE data LIKE 'table %'
       AND (data NOT LIKE 'table syncd.%' OR data ~ '^table syncd.(entity_state|incoming|sync_conflicts): ')`,
    [SLOT],
  );
  const ours = new Set(rows.filter(({ data }) => data === null).map(({ xid }) => xid));
  const byName = new Map(tables.map((table) => [table.table, table]));
  return withoutIdle(
    rows.flatMap(({ xid, data }) => {
      if (data === null) return [];
      const { name, verb, tuple } = splitLine(data);
      const table = byName.get(name);
      if (table === undefined) return [];
      return changesOf(table, xid, verb, tuple).map((change) => ({ ...change, by: ours.has(xid) ? 'syncd' : 'pos' }));
    }),
  );
}

function splitLine(line: string): { name: string; verb: string; tuple: string } {
  const [, name = '', verb = '', tuple = ''] = /^table ((?:"[^"]+"|[^:"])+): ([A-Z]+): (.*)$/s.exec(line) ?? [];
  return { name, verb, tuple };
}

type ReadChange = Omit<CommittedChange, 'by'>;

function changesOf(table: ComparedTable, tx: string, verb: string, tuple: string): ReadChange[] {
  const of = (operation: Operation, text: string): ReadChange => {
    const columns = readTuple(text);
    const entity_id = entityId(table.keys.map((key) => keyText(columns, key)));
    const data = operation === 'delete' ? null : toJson(columns, table.excluded ?? []);
    return { tx, entity_type: table.entity_type, entity_id, operation, data };
  };
  const moved = /^old-key: (.*) new-tuple: (.*)$/s.exec(tuple);
  if (moved) return [of('delete', moved[1] ?? ''), of('create', moved[2] ?? '')];
  if (verb === 'INSERT') return [of('create', tuple)];
  if (verb === 'UPDATE') return [of('update', tuple)];
  if (verb === 'DELETE') return [of('delete', tuple)];
  throw new Error(`no change of a row: ${verb}`);
}

type Column = { type: string; value: string | null };

/** `id[bigint]:7 name[text]:'it''s' note[text]:null` */
export function readTuple(text: string): Map<string, Column> {
  const columns = new Map<string, Column>();
  const one = /(?:"((?:[^"]|"")+)"|([^[\s]+))\[([^:]*)\]:(null|B?'(?:[^']|'')*'|\S+)(?: |$)/sy;
  while (one.lastIndex < text.length) {
    const at = one.lastIndex;
    const [whole, quoted, plain, type, raw] = one.exec(text) ?? [];
    if (whole === undefined || raw === undefined || raw === 'unchanged-toast-datum') {
      throw new Error(`cannot read the row from ${JSON.stringify(text.slice(at, at + 80))}`);
    }
    const name = quoted?.replaceAll('""', '"') ?? plain ?? '';
    const value = raw === 'null' ? null : raw.replace(/^B?'(.*)'$/s, '$1').replaceAll("''", "'");
    columns.set(name, { type: type ?? '', value });
  }
  return columns;
}

/** As the wire writes a key: instants are ISO in UTC, everything else is PostgreSQL's text. */
function keyText(columns: Map<string, Column>, key: string): string {
  const column = columns.get(key);
  if (column?.value == null) throw new Error(`the key column ${key} has no value`);
  return column.type === 'timestamp with time zone'
    ? column.value.replace(' ', 'T').replace(/\+00$/, '+00:00')
    : column.value;
}

function toJson(columns: Map<string, Column>, excluded: string[]): string {
  const parts = [...columns]
    .filter(([name]) => !excluded.includes(name))
    .map(([name, { type, value }]) => {
      const isJson = type === 'json' || type === 'jsonb';
      return `${JSON.stringify(name)}:${isJson ? (value ?? 'null') : JSON.stringify(value)}`;
    });
  return `{${parts.join(',')}}`;
}

function withoutIdle(changes: CommittedChange[]): CommittedChange[] {
  const last = new Map<string, string | null>();
  return changes.filter((change) => {
    const name = `${change.entity_type} ${change.entity_id}`;
    const idle = change.operation === 'update' && last.get(name) === change.data;
    last.set(name, change.data);
    return !idle;
  });
}
