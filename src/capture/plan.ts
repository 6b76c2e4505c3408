/**
 * Decides how each configured table is captured, or why it cannot be. Pure: settings and shapes in, a plan and a list of issues
 * out. Everything that can be wrong is found here, before the first change, and all of it at once.
 */
import type { EntitySettings, Settings } from '../config/settings.js';
import { columnName, digest, failuresName, identifier, qualified, SCHEMA } from './names.js';
import { pinsFor } from './pins.js';
import type { KeyColumn, Recipe } from './recipe.js';
import type { Column, Member, TableShape, UniqueIndex, Written } from './shape.js';
import { unwritable } from './unwritable.js';

export type EntityPlan = {
  entity: string;
  table: string;
  root: { schema: string; name: string; oid: string };
  direction: EntitySettings['direction'];
  /** Its triggers read a table with row-level security, which the owner must be able to bypass. */
  bypassesPolicies: boolean;
  /** Where the types of its columns stand, but for PostgreSQL's own. */
  typeSchemas: string[];
  coalesce: boolean;
  recipe: Recipe;
  /** Digest of the columns as they are now. */
  fingerprint: string;
  /** The tables that get triggers; none where nothing goes out. */
  members: Member[];
  /** The tables that are written when something comes in: itself, and what its own triggers write. */
  written: Written[];
};

export type Plan = { entities: EntityPlan[]; issues: string[]; notices: string[] };

/** Bookkeeping that a POS may keep in its own rows; it means nothing to the cloud, and would make every answer a change. */
const BOOKKEEPING = ['version', 'cloud_version', 'cloud_id', 'sync_status', 'last_synced_at'];

/** Types whose text is one and the same for one value, whatever the session: what an entity may be named by. */
const NAMING = new Set(
  'bool char name text varchar bpchar int2 int4 int8 oid numeric uuid date time timestamp timestamptz inet cidr macaddr macaddr8'.split(
    ' ',
  ),
);
const ISO = new Set(['date', 'timestamp', 'timestamptz']);
/** What a row can be dated by; the precision of a timestamp changes no day. */
const DATES = /^(date|timestamp(\(\d\))? with(out)? time zone)$/;
const EXACT = new Set(['int2', 'int4', 'int8', 'uuid']);

/**
 * @param shapes by entity; undefined where the table does not exist
 * @param written by the table's name as the configuration has it; undefined where it does not exist
 */
export function planCapture(
  settings: Pick<Settings, 'entities' | 'capture'>,
  shapes: Map<string, TableShape | undefined>,
  written: ReadonlyMap<string, Written | undefined>,
): Plan {
  const plan: Plan = { entities: [], issues: [], notices: [] };
  if (settings.entities.size === 0)
    plan.issues.push('entities: none is configured, so there would be nothing to capture');
  const takenBy = new Map<string, string>();
  for (const [entity, wanted] of settings.entities) {
    const shape = shapes.get(entity);
    const issue = (why: string) => plan.issues.push(`entity ${entity}: ${why}`);
    if (!shape) {
      issue(`there is no table ${wanted.table}${folded(wanted.table)}`);
      continue;
    }
    const other = takenBy.get(shape.oid);
    if (other !== undefined) issue(`table ${wanted.table} is captured as ${other} already`);
    takenBy.set(shape.oid, entity);
    if (!mayBeCaptured(shape, wanted.table, issue)) continue;
    if (shape.persistence === 'u')
      plan.notices.push(
        `${wanted.table} is UNLOGGED: a crash of PostgreSQL empties it, and the cloud hears nothing of that`,
      );
    const key = chooseKey(shape, wanted, issue);
    const excluded = chooseExcluded(shape, wanted, key, issue);
    checkNamedColumns(shape, wanted, issue);
    if (wanted.direction !== 'push') plan.notices.push(...unwritable(shape, wanted.table, excluded));
    const undated = withoutDays(entity, wanted, shape);
    if (undated !== undefined) plan.notices.push(undated);
    for (const table of wanted.also_writes)
      if (!written.get(table)) issue(`also_writes: there is no table ${table}${folded(table)}`);
    if (key) plan.entities.push(planEntity(settings, entity, wanted, shape, key, excluded, writtenBy(wanted, written)));
  }
  checkFamilies(plan, shapes);
  return plan;
}

function writtenBy(wanted: EntitySettings, written: ReadonlyMap<string, Written | undefined>): Written[] {
  if (wanted.direction === 'push') return [];
  return [wanted.table, ...wanted.also_writes].flatMap((table) => written.get(table) ?? []);
}

function mayBeCaptured(shape: TableShape, table: string, issue: (why: string) => void): boolean {
  if (shape.kind !== 'r' && shape.kind !== 'p')
    issue(`${table} is not a table: a view or a foreign table cannot be captured`);
  else if (shape.persistence === 't') issue(`${table} is a temporary table`);
  else if (shape.schema === SCHEMA) issue(`${table} is a table of syncd itself`);
  else if (shape.schema === 'pg_catalog') issue(`${table} is a table of PostgreSQL itself`);
  else return true;
  return false;
}

function chooseKey(shape: TableShape, wanted: EntitySettings, issue: (why: string) => void): UniqueIndex | undefined {
  let found: UniqueIndex | undefined;
  if (wanted.key) {
    const names = wanted.key.map(columnName);
    const unknown = wanted.key.filter((name) => !has(shape, columnName(name)));
    if (unknown.length > 0) {
      for (const name of unknown) issue(`key: ${lacks(shape, wanted, name)}`);
      return undefined;
    }
    const fits = (index: UniqueIndex) =>
      index.columns.length === names.length && names.every((name) => index.columns.includes(name));
    const index = shape.indexes.find((candidate) => candidate.usable && fits(candidate));
    const nullable = names.filter((name) => !shape.columns.find((column) => column.name === name)?.notNull);
    if (!index)
      issue(`key: ${wanted.table} has no unique index (not partial, not deferrable) on exactly ${names.join(', ')}`);
    if (nullable.length > 0) issue(`key: ${nullable.join(', ')} of ${wanted.table} may be null`);
    if (!index || nullable.length > 0) return undefined;
    found = {
      ...index,
      columns: names,
      operators: names.map((name) => index.operators[index.columns.indexOf(name)] as string),
    };
  } else {
    found = shape.indexes.find((index) => index.primary);
    if (!found) {
      issue(
        `${wanted.table} has no primary key; name the columns of a unique index that are never null: key: [column]`,
      );
      return undefined;
    }
  }
  const odd = found.columns.map((name) => columnOf(shape, name)).filter((column) => !mayName(column));
  for (const column of odd)
    issue(`key column ${column.name} of ${wanted.table} is a ${column.type}: its text may differ for one value`);
  return odd.length > 0 ? undefined : found;
}

function mayName(column: Column): boolean {
  return (
    column.scalar &&
    column.parts.every((part) => part.kind === 'e' || (part.builtin ? NAMING.has(part.name) : part.name === 'citext'))
  );
}

function chooseExcluded(
  shape: TableShape,
  wanted: EntitySettings,
  key: UniqueIndex | undefined,
  issue: (why: string) => void,
): string[] {
  for (const name of wanted.exclude) {
    if (!has(shape, columnName(name))) issue(`exclude: ${lacks(shape, wanted, name)}`);
    else if (key?.columns.includes(columnName(name))) issue(`exclude: ${name} is part of the key of ${wanted.table}`);
  }
  const bookkeeping = BOOKKEEPING.filter((name) => has(shape, name) && !key?.columns.includes(name));
  return [...new Set([...wanted.exclude.map(columnName), ...bookkeeping])].sort();
}

const has = (shape: TableShape, name: string): boolean => shape.columns.some((column) => column.name === name);

const lacks = (shape: TableShape, wanted: EntitySettings, name: string): string =>
  `${wanted.table} has no column ${name}${has(shape, name) ? `; ${inQuotes([name])}` : ''}`;

/** The commonest slip with a table that has capitals: other programs show its name as it was typed, without quotes. */
function folded(table: string): string {
  if (table.includes('"')) return '';
  const parts = table.split('.');
  return table.toLowerCase() === table ? '' : `; ${inQuotes(parts)}`;
}

const inQuotes = (parts: string[]): string =>
  `if its name has capitals, write it in SQL's double quotes: '${parts.map((part) => (part === part.toLowerCase() ? part : identifier(part))).join('.')}'`;

function checkNamedColumns(shape: TableShape, wanted: EntitySettings, issue: (why: string) => void): void {
  const { delta, local, date_field, money_field } = wanted;
  for (const [setting, names] of Object.entries({
    delta,
    local,
    date_field: [date_field],
    money_field: [money_field],
  })) {
    for (const name of names) {
      if (name === undefined) continue;
      if (!has(shape, columnName(name))) issue(`${setting}: ${lacks(shape, wanted, name)}`);
    }
  }
}

/** @returns what to tell of a date_field that dates nothing, for it is a text, say: capture goes on, only the comparison is coarse */
function withoutDays(entity: string, { table, date_field }: EntitySettings, shape: TableShape): string | undefined {
  if (date_field === undefined) return undefined;
  const column = columnOf(shape, columnName(date_field));
  if (!column || DATES.test(column.type)) return undefined;
  return `${entity}: date_field ${date_field} of ${table} is of type ${column.type}, neither a date nor a timestamp: it divides nothing into days, and syncd verify compares ${entity} as a whole; name another column, or none`;
}

function planEntity(
  settings: Pick<Settings, 'capture'>,
  entity: string,
  wanted: EntitySettings,
  shape: TableShape,
  key: UniqueIndex,
  excluded: string[],
  written: Written[],
): EntityPlan {
  const watched = [...shape.columns, ...shape.columnsOfChildren].filter((column) => !excluded.includes(column.name));
  const family = shape.parents.length > 0 || shape.members.some((member) => member.depth > 0 && !member.partition);
  // A virtual column is computed only when the table itself is read; under a deferrable key two rows may have one name for a while.
  const rereadAlways = !key.usable || watched.some((column) => column.generated === 'v');
  const reread = shape.changedInBetween || rereadAlways;
  return {
    entity,
    table: qualified(shape.schema, shape.name),
    root: { schema: shape.schema, name: shape.name, oid: shape.oid },
    direction: wanted.direction,
    bypassesPolicies: reread && shape.rowSecurity && wanted.direction !== 'pull',
    typeSchemas: shape.typeSchemas,
    coalesce: wanted.coalesce,
    fingerprint: digest(
      JSON.stringify(shape.columns.map(({ name, type, notNull, generated }) => [name, type, notNull, generated])),
    ),
    members: wanted.direction === 'pull' ? [] : shape.members,
    written,
    recipe: {
      entity,
      keys: key.columns.map((name, place) => keyColumn(columnOf(shape, name), key.operators[place] as string)),
      excluded,
      excludedAt: {
        oid: shape.oid,
        table: shape.name,
        numbers: excluded.map((name) => columnOf(shape, name)?.number ?? 0),
      },
      keepPrevious: wanted.direction === 'both',
      level: family ? 'row' : 'statement',
      rereadFrom: reread ? qualified(shape.schema, shape.name) : undefined,
      rereadAlways,
      // A row that a policy hides from the owner must be a fault, not a row that is gone.
      pins: { ...pinsFor(watched.flatMap((column) => column.parts)), ...(reread && { row_security: 'off' }) },
      notify: settings.capture.notify,
      onError: settings.capture.on_error,
      failures: qualified(SCHEMA, failuresName(entity)),
    },
  };
}

function keyColumn(column: Column, equals: string): KeyColumn {
  const iso = column.parts.some((part) => ISO.has(part.name));
  const exact = column.scalar && column.parts.every((part) => part.builtin && EXACT.has(part.name));
  return { name: column.name, iso, exact, equals };
}

function columnOf(shape: TableShape, name: string): Column {
  return shape.columns.find((column) => column.name === name) as Column;
}

/** A child that is an entity of its own leaves its parent's; a partition beside its root would be captured twice. */
function checkFamilies(plan: Plan, shapes: Map<string, TableShape | undefined>): void {
  const entityOf = new Map([...shapes].flatMap(([entity, shape]) => (shape ? [[shape.oid, entity] as const] : [])));
  for (const entity of plan.entities) {
    const theirs = new Set<string>();
    for (const member of entity.members.filter((candidate) => candidate.depth > 0)) {
      const other = entityOf.get(member.oid);
      if (other === undefined) continue;
      if (member.partition)
        plan.issues.push(`entity ${other}: its table is a partition of ${entity.table}, which is ${entity.entity}`);
      for (const below of shapes.get(other)?.members ?? []) theirs.add(below.oid);
    }
    entity.members = entity.members.filter((member) => !theirs.has(member.oid));
    for (const member of entity.members.filter((candidate) => candidate.kind === 'f')) {
      plan.notices.push(
        `${qualified(member.schema, member.name)} is a foreign table: what is written there directly is not captured`,
      );
    }
    entity.members = entity.members.filter((member) => member.kind !== 'f');
  }
}
