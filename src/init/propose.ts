/**
 * Proposes what to capture and how: which tables, by which key, in which direction, without which columns, and why. Pure. Every
 * proposal has passed the very plan that install makes, so that install accepts it as it stands.
 */
import { planCapture } from '../capture/plan.js';
import type { TableShape } from '../capture/shape.js';
import type { EntitySettings } from '../config/settings.js';
import { named, sqlTable, writtenName } from './naming.js';
import { incomingNotes, notesOf } from './notes.js';
import type { Catalogue, ReadTable } from './read.js';
import { effectsOf } from './trigger-effects.js';
import { dateAmong, looksLikeLevel, looksSecret, noiseOf, type Role, roleOf, sumAmong } from './words.js';

export type Proposed = {
  entity: string;
  settings: EntitySettings;
  /** Why it is proposed so, for the comments of the file. */
  notes: string[];
  /** What belongs to it as soon as something comes in as well. */
  incoming: { local: string[]; also_writes: string[]; notes: string[] };
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

type Made = Omit<Proposed, 'entity' | 'rows'>;

/** @param both oids of the tables that both sides edit, of those that come before it */
function proposeTable(
  table: ReadTable,
  shape: TableShape,
  tables: readonly ReadTable[],
  both: ReadonlySet<string>,
): Made | string {
  const key = keyOf(table, shape);
  if (key === undefined) return keyless(table, shape);
  const keys = key.columns;
  const numbers = table.columns.filter(({ type }) => NUMBER.test(type)).map(({ name }) => name);
  const secrets = table.columns.filter(({ name }) => looksSecret(name) && !keys.includes(name));
  const role = linkOf(table, keys, both) ?? roleOf(table.name, numbers);
  const { direction, note } = directionOf(role, table, secrets);
  const effects = effectsOf(table, tables);
  const local = effects.sets.filter((name) => !keys.includes(name) && !secrets.some((secret) => secret.name === name));
  const levels = numbers.filter((name) => looksLikeLevel(name) && !keys.includes(name));
  const { date_field, money_field } = role === 'transaction' ? figuresOf(table, secrets) : {};
  const made: Made = {
    settings: {
      table: sqlTable(table),
      key: key.primary ? undefined : keys.map(writtenName),
      direction: 'push',
      conflict: undefined,
      merge_fallback: 'manual',
      exclude: secrets.map(({ name }) => writtenName(name)),
      coalesce: role === 'stock',
      delta: [],
      local: [],
      also_writes: [],
      date_field: date_field && writtenName(date_field),
      money_field: money_field && writtenName(money_field),
    },
    notes: [...(note ? [note] : []), ...notesOf(table, shape, keys, secrets, role)],
    incoming: {
      local: local.map(writtenName),
      also_writes: effects.writes.map(sqlTable),
      notes: incomingNotes(table, { local, levels, effects, parents: foreignParents(table, tables, both) }),
    },
    columns: table.columns.filter(({ name }) => !keys.includes(name)).map(({ name }) => writtenName(name)),
  };
  return inDirection(made, direction);
}

/** The same in another direction, with what belongs to that. */
export function inDirection<One extends Made>(one: One, direction: EntitySettings['direction']): One {
  const { settings, incoming } = one;
  return {
    ...one,
    settings: {
      ...settings,
      direction,
      conflict: direction === 'both' ? 'merge' : undefined,
      coalesce: settings.coalesce && direction !== 'pull',
      local: direction === 'push' ? [] : incoming.local,
      also_writes: direction === 'push' ? [] : incoming.also_writes,
    },
  };
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

function directionOf(
  role: Role,
  table: ReadTable,
  secrets: ReadTable['columns'],
): { direction: 'push' | 'both'; note?: string } {
  if (role !== 'master') return { direction: 'push' };
  if (table.policies)
    return {
      direction: 'push',
      note: 'master data, but row-level security hides its rows: what the cloud sends could not be written',
    };
  const required = secrets.filter(({ notNull, given }) => notNull && !given);
  if (required.length > 0)
    return {
      direction: 'push',
      note: `master data, but every row must have ${required.map(({ name }) => name).join(', ')}, which stays in the shop: head office could make no new ones`,
    };
  return {
    direction: 'both',
    note: 'master data: edited in the shop and at head office; push, if head office only reads it',
  };
}

/** Tables that it refers to and that only the shop writes. */
function foreignParents({ parents }: ReadTable, tables: readonly ReadTable[], both: ReadonlySet<string>): ReadTable[] {
  return tables.filter(({ oid }) => parents.includes(oid) && !both.has(oid));
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
