/**
 * Compares the POS's tables with what the cloud holds, row by row, inside PostgreSQL: the cloud's JSON text is made into a
 * record of the table's own type there, so no number passes through JavaScript. Reads only; its one temporary table goes with
 * the transaction.
 */
import pg from 'pg';
import type { Finding } from './audit.js';
import type { EntityRecord } from './cloud/records.js';

export type ComparedTable = {
  entity_type: string;
  /** Schema and table as SQL wants them. */
  table: string;
  keys: string[];
  excluded?: string[];
  /** Head office's changes come to the shop. */
  pulled?: boolean;
  /** Only the newest pending state goes out. */
  coalesced?: boolean;
  /** Columns that belong to the shop: the cloud has them, and what it has in them does not matter. */
  local?: string[];
};

export type Comparison = { rows: number; findings: Finding[] };

type Column = { name: string; type: string };

/**
 * Every row of the POS must be at the cloud with every column equal as text, and nothing else may be alive there.
 * `rows` counts the POS's rows; each finding is `different`, its detail says how.
 */
export async function compareRows(
  client: pg.Client,
  tables: ComparedTable[],
  held: EntityRecord[],
): Promise<Comparison> {
  await client.query('BEGIN');
  try {
    await client.query("SET LOCAL TimeZone = 'UTC'; SET LOCAL extra_float_digits = 1; SET LOCAL DateStyle = 'ISO'");
    await client.query(
      'CREATE TEMP TABLE held_by_cloud (entity_type text, entity_id text, deleted boolean, data json) ON COMMIT DROP',
    );
    await client.query(
      'INSERT INTO held_by_cloud SELECT * FROM unnest($1::text[], $2::text[], $3::boolean[], $4::text[]::json[])',
      [
        held.map((row) => row.entity_type),
        held.map((row) => row.entity_id),
        held.map((row) => row.deleted),
        held.map((row) => row.data),
      ],
    );
    const comparison: Comparison = { rows: 0, findings: [] };
    for (const table of tables) {
      const { rows, findings } = await compareTable(client, table);
      comparison.rows += rows;
      comparison.findings.push(...findings);
    }
    return comparison;
  } finally {
    await client.query('ROLLBACK');
  }
}

async function compareTable(client: pg.Client, table: ComparedTable): Promise<Comparison> {
  const columns = await columnsOf(client, table);
  const counted = await client.query<{ rows: string }>(`SELECT count(*)::text AS rows FROM ${table.table}`);
  const different = await client.query<{ entity_id: string; detail: string }>(comparisonSql(table, columns), [
    table.entity_type,
    columns.map((column) => column.name).sort(),
  ]);
  return {
    rows: Number(counted.rows[0]?.rows),
    findings: different.rows.map((row) => ({ kind: 'different', entity_type: table.entity_type, ...row })),
  };
}

async function columnsOf(client: pg.Client, table: ComparedTable): Promise<Column[]> {
  const { rows } = await client.query<Column>(
    `SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
     WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attname <> ALL ($2) ORDER BY attnum`,
    [table.table, table.excluded ?? []],
  );
  return rows;
}

/** $1: the entity type; $2: the columns' names, sorted. The key is read from entity_id and cast, whatever its text's form. */
function comparisonSql(table: ComparedTable, columns: Column[]): string {
  const quoted = columns
    .filter((column) => !table.local?.includes(column.name))
    .map((column) => pg.escapeIdentifier(column.name));
  const record = (alias: string) => `ROW(${quoted.map((column) => `(${alias}).${column}`).join(', ')})::text`;
  const typeOf = new Map(columns.map((column) => [column.name, column.type]));
  const composite = table.keys.length > 1;
  const here = table.keys.map((key) => `(pos.here).${pg.escapeIdentifier(key)}`);
  const matched = table.keys.map((key, index) => {
    const text = composite ? `(entity_id::json->>${index})` : 'entity_id';
    return { value: `${text}::${typeOf.get(key)}`, on: `${here[index]} = cloud.key${index + 1}` };
  });
  const name = composite
    ? `json_build_array(${here.map((key) => `${key}::text`).join(', ')})::text`
    : `${here[0]}::text`;
  return `
    SELECT * FROM (
      SELECT coalesce(cloud.entity_id, ${name}) AS entity_id,
        CASE
          WHEN cloud.entity_id IS NULL THEN 'the cloud has never heard of it'
          WHEN pos.is_here AND cloud.deleted THEN 'deleted at the cloud'
          WHEN pos.is_here AND ${record('pos.here')} IS DISTINCT FROM ${record('cloud.there')} THEN 'another value at the cloud'
          WHEN pos.is_here AND cloud.columns IS DISTINCT FROM $2::text[] THEN 'other columns at the cloud'
          WHEN pos.is_here IS NULL AND NOT cloud.deleted THEN 'still alive at the cloud'
        END AS detail
      FROM (SELECT true AS is_here, the_row_here AS here FROM ${table.table} the_row_here) pos
      FULL JOIN (
        SELECT entity_id, deleted, json_populate_record(NULL::${table.table}, data) AS there,
          (SELECT array_agg(name ORDER BY name COLLATE "C") FROM json_object_keys(data) name) AS columns,
          ${matched.map((key, index) => `${key.value} AS key${index + 1}`).join(', ')}
        FROM held_by_cloud WHERE entity_type = $1
      ) cloud ON ${matched.map((key) => key.on).join(' AND ')}
    ) verdict
    WHERE detail IS NOT NULL ORDER BY entity_id`;
}
