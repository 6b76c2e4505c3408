/**
 * Proposes what to capture and how: which tables, by which key, in which direction, without which columns, and why. Pure. Every
 * proposal has passed the very plan that install makes, so that install accepts it as it stands.
 */
import { planCapture } from '../capture/plan.js';
import type { TableShape } from '../capture/shape.js';
import type { EntitySettings } from '../config/settings.js';
import { named, sqlName, sqlTable } from './naming.js';
import type { Catalogue, ReadTable } from './read.js';
import { type Effects, effectsOf } from './trigger-effects.js';
import { dateAmong, looksLikeLevel, looksSecret, noiseOf, type Role, roleOf, sumAmong } from './words.js';

export type Proposed = {
  entity: string;
  settings: EntitySettings;
  /** Why it is proposed so, for the comments of the file. */
  notes: string[];
  /** What may be excluded: all columns but the key's, as SQL writes them. */
  columns: string[];
  rows: number | null;
};
export type LeftOut = { table: string; reason: string };
export type Proposal = { entities: Proposed[]; leftOut: LeftOut[] };

/** Schemas of programs that stand beside a POS. */
const FOREIGN_SCHEMA =
  /^(cron|partman|pgagent|pgboss|graphile_.*|hdb_.*|auth|storage|realtime|supabase_.*|vault|net|topology|tiger.*|repack|timescaledb_.*|_timescaledb_.*)$/;
const CAPTURE = { notify: 'gate', on_error: 'continue' } as const;
const NUMBER = /^(numeric|money|integer|bigint|smallint|real|double precision)/;
const DATE = /^(date|timestamp)/;

/** Why a table is left out whatever its key; undefined: it is worth a closer look. */
export function reasonAgainst(table: ReadTable): string | undefined {
  if (table.partition) return `a partition of ${table.below}: captured with it`;
  if (table.below !== null) return `inherits from ${table.below}: captured with it`;
  if (table.extension !== null) return `belongs to the extension ${table.extension}`;
  if (FOREIGN_SCHEMA.test(table.schema)) return `schema ${table.schema} is another program's`;
  const columns = table.columns.map(({ name }) => name);
  return noiseOf(table.name, columns)?.reason;
}

export function propose({ tables, shapes, written }: Catalogue): Proposal {
  const proposal: Proposal = { entities: [], leftOut: [] };
  const taken = new Set<string>();
  const both = new Set<string>();
  for (const table of inOrder(tables)) {
    const against = reasonAgainst(table);
    const shape = shapes.get(table.oid);
    const found = against === undefined && shape ? proposeTable(table, shape, tables, both) : (against ?? 'it is gone');
    if (typeof found === 'string') {
      proposal.leftOut.push({ table: sqlTable(table), reason: found });
      continue;
    }
    const entity = named(table, taken);
    taken.add(entity);
    const one = { entity, rows: table.rows, ...found };
    const issues = issuesOf(one.entity, one.settings, shape as TableShape, written.get(table.oid));
    if (issues.length > 0) proposal.leftOut.push({ table: sqlTable(table), reason: issues.join('; ') });
    else {
      proposal.entities.push(one);
      if (one.settings.direction === 'both') both.add(table.oid);
    }
  }
  return proposal;
}

type Made = Pick<Proposed, 'settings' | 'notes' | 'columns'>;

/** @param both oids of the tables that both sides edit, of those that come before it */
function proposeTable(
  table: ReadTable,
  shape: TableShape,
  tables: readonly ReadTable[],
  both: ReadonlySet<string>,
): Made | string {
  const key = keyOf(table, shape);
  if (key === undefined) return keyless(table, shape);
  const notes: string[] = [];
  const numbers = table.columns.filter(({ type }) => NUMBER.test(type)).map(({ name }) => name);
  const role = linkOf(table, key.columns, both) ?? roleOf(table.name, numbers);
  const keys = key.columns;
  const secrets = table.columns.filter(({ name }) => looksSecret(name) && !keys.includes(name));
  const direction = directionOf(role, table, secrets, notes);
  const effects = effectsOf(table, tables);
  const sets = direction === 'both' ? effects.sets.filter((name) => !keys.includes(name)) : [];
  const local = sets.filter((name) => !secrets.some((secret) => secret.name === name));
  noteColumns(table, keys, secrets, local, notes);
  if (direction === 'both') {
    const levels = numbers.filter((name) => looksLikeLevel(name) && !keys.includes(name));
    if (levels.length > 0)
      notes.push(
        `${levels.join(', ')} changes with every sale: delta: [${levels.map(sqlName).join(', ')}], if head office changes it too`,
      );
    noteParents(table, tables, both, notes);
    noteWrites(effects, notes);
  }
  const { date_field, money_field } = role === 'transaction' ? figuresOf(table, secrets) : {};
  const settings: EntitySettings = {
    table: sqlTable(table),
    key: key.primary ? undefined : keys.map(sqlName),
    direction,
    conflict: direction === 'both' ? 'merge' : undefined,
    merge_fallback: 'manual',
    exclude: secrets.map(({ name }) => sqlName(name)),
    coalesce: role === 'stock',
    delta: [],
    local: local.map(sqlName),
    also_writes: direction === 'both' ? effects.writes.map(sqlTable) : [],
    date_field: date_field && sqlName(date_field),
    money_field: money_field && sqlName(money_field),
  };
  if (!key.primary) notes.push(`it has no primary key; the unique index ${key.name} names its rows`);
  if (settings.coalesce) notes.push('stock: only the newest level is sent');
  const columns = table.columns.filter(({ name }) => !keys.includes(name)).map(({ name }) => sqlName(name));
  return { settings, notes, columns };
}

/** The primary key, else the smallest unique index that can stand for it. */
function keyOf(table: ReadTable, shape: TableShape) {
  const fits = (columns: string[]) =>
    columns.every((name) => table.columns.some((one) => one.name === name && one.notNull));
  const usable = shape.indexes.filter((index) => index.usable && fits(index.columns));
  usable.sort((a, b) => Number(b.primary) - Number(a.primary) || a.columns.length - b.columns.length);
  return usable[0];
}

/** A table that only links others follows them; undefined where it is more than that. */
function linkOf({ parents, links }: ReadTable, key: string[], both: ReadonlySet<string>): Role | undefined {
  if (parents.length < 2 || !key.every((column) => links.includes(column))) return undefined;
  return parents.every((oid) => both.has(oid)) ? 'master' : 'other';
}

/** Why no index of it can name its rows, and what would make one. */
function keyless({ columns }: ReadTable, { indexes }: TableShape): string {
  const index = indexes.find(({ usable }) => usable);
  if (!index) return 'no primary key, nor a unique index that could stand for one';
  const nullable = index.columns.filter((name) => columns.some((one) => one.name === name && !one.notNull));
  return `no primary key; its unique index ${index.name} could stand for one, were ${nullable.join(', ')} NOT NULL`;
}

function directionOf(role: Role, table: ReadTable, secrets: ReadTable['columns'], notes: string[]): 'push' | 'both' {
  if (role !== 'master') return 'push';
  const required = secrets.filter(({ notNull, given }) => notNull && !given);
  if (table.policies) {
    notes.push('master data, but row-level security hides its rows: what the cloud sends could not be written');
    return 'push';
  }
  if (required.length > 0) {
    const names = required.map(({ name }) => name).join(', ');
    notes.push(
      `master data, but ${names} stays in the shop and every row must have it: head office cannot make new ones`,
    );
    return 'push';
  }
  notes.push('master data: edited in the shop and at head office; push, if head office only reads it');
  return 'both';
}

function noteColumns(
  table: ReadTable,
  keys: string[],
  secrets: ReadTable['columns'],
  local: string[],
  notes: string[],
): void {
  const listed = (names: string[]) => names.join(', ');
  const several = (names: unknown[], one: string, more: string) => (names.length === 1 ? one : more);
  if (secrets.length > 0)
    notes.push(
      `${listed(secrets.map(({ name }) => name))} ${several(secrets, 'looks', 'look')} secret and ${several(secrets, 'stays', 'stay')} in the shop`,
    );
  const open = keys.filter(looksSecret);
  if (open.length > 0)
    notes.push(
      `${listed(open)} looks secret, but it names the rows: think about whether this table should be sent at all`,
    );
  if (local.length > 0)
    notes.push(
      `${listed(local)} ${several(local, 'is', 'are')} set by a trigger here: a difference in it alone is nothing to send`,
    );
  const large = table.columns.filter(({ type, name }) => type === 'bytea' && !secrets.some((one) => one.name === name));
  if (large.length > 0)
    notes.push(
      `${listed(large.map(({ name }) => name))} is binary and may be large: exclude it if the cloud has no use for it`,
    );
}

function noteParents(
  { oid, parents }: ReadTable,
  tables: readonly ReadTable[],
  both: ReadonlySet<string>,
  notes: string[],
): void {
  const others = tables.filter((table) => parents.includes(table.oid) && table.oid !== oid && !both.has(table.oid));
  if (others.length > 0)
    notes.push(
      `it refers to ${others.map(sqlTable).join(', ')}, which head office does not edit: new rows from there can only use what the shop has`,
    );
}

function noteWrites({ writes, unreadable }: Effects, notes: string[]): void {
  if (writes.length > 0)
    notes.push('its triggers write to the tables under also_writes: syncd gets the right to do so');
  if (unreadable.length > 0)
    notes.push(`trigger ${unreadable.join(', ')} puts its SQL together: list what it writes under also_writes`);
}

function figuresOf(table: ReadTable, secrets: ReadTable['columns']): { date_field?: string; money_field?: string } {
  const open = table.columns.filter(({ name }) => !secrets.some((one) => one.name === name));
  const names = (type: RegExp) => open.filter((column) => type.test(column.type)).map(({ name }) => name);
  const [date, sum] = [dateAmong(names(DATE)), sumAmong(names(NUMBER))];
  return { ...(date !== undefined && { date_field: date }), ...(sum !== undefined && { money_field: sum }) };
}

function issuesOf(
  entity: string,
  settings: EntitySettings,
  shape: TableShape,
  written: Parameters<typeof planCapture>[2] extends ReadonlyMap<string, infer W> ? W : never,
): string[] {
  const tables = new Map([settings.table, ...settings.also_writes].map((table) => [table, written]));
  const wanted = { entities: new Map([[entity, settings]]), capture: CAPTURE };
  const { issues } = planCapture(wanted, new Map([[entity, shape]]), tables);
  return issues.map((issue) => issue.replace(`entity ${entity}: `, ''));
}

/** Parents before their children, then by name; what refers to itself in a circle comes where it can. */
function inOrder(tables: readonly ReadTable[]): ReadTable[] {
  const byOid = new Map(tables.map((table) => [table.oid, table]));
  const done = new Set<string>();
  const order: ReadTable[] = [];
  const visit = (table: ReadTable) => {
    if (done.has(table.oid)) return;
    done.add(table.oid);
    for (const oid of table.parents) {
      const parent = byOid.get(oid);
      if (parent) visit(parent);
    }
    order.push(table);
  };
  for (const table of tables) visit(table);
  return order;
}
