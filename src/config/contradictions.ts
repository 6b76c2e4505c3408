/**
 * What two fields of the configuration say against each other. Works on the raw tree, so that a fault in one place does not
 * keep these from being seen; a value that is not readable by itself is schema.ts's to report. Pure.
 */

import { isTree, type Tree } from './layers.js';
import { duration, isEntityName, isLoopback, listen, sqlName, sqlPath } from './scalars.js';

export type Contradiction = { path: string[]; problem: string };

export function findContradictions(tree: Tree): Contradiction[] {
  return [...retry(tree), ...retention(tree), ...entities(tree), ...listeners(tree)];
}

function retry(tree: Tree): Contradiction[] {
  const path = ['sync', 'retry'];
  const section = at(tree, path);
  const [first, cap] = [duration(at(section, ['initial_backoff'])), duration(at(section, ['max_backoff']))];
  if (first === undefined || cap === undefined || cap >= first) return [];
  return [
    {
      path: [...path, 'max_backoff'],
      problem: `${raw(section, 'max_backoff')} is shorter than initial_backoff (${raw(section, 'initial_backoff')})`,
    },
  ];
}

function retention(tree: Tree): Contradiction[] {
  const section = at(tree, ['retention']);
  const [queue, logs] = [duration(at(section, ['queue'])), duration(at(section, ['logs']))];
  if (queue === undefined || logs === undefined || queue >= logs) return [];
  return [
    {
      path: ['retention', 'queue'],
      problem: `${raw(section, 'queue')} is shorter than retention.logs (${raw(section, 'logs')}), whose entries refer to the queue`,
    },
  ];
}

function entities(tree: Tree): Contradiction[] {
  const found: Contradiction[] = [];
  const section = tree.entities;
  if (!isTree(section)) return found;
  if (Object.keys(section).length === 0)
    return [{ path: ['entities'], problem: 'no entity is configured; name at least one table' }];
  const owners = new Map<string, string>();
  for (const [name, entity] of Object.entries(section)) {
    const path = ['entities', name];
    if (!isEntityName(name)) {
      found.push({
        path,
        problem:
          "an entity's name is made of letters, digits, _ and -, begins with a letter and has at most 63 characters",
      });
    }
    if (!isTree(entity)) continue;
    const table = sqlPath(entity.table);
    // A bare name is looked for in public; nothing else is on the search path.
    const identity = table && JSON.stringify(table.length === 1 ? ['public', ...table] : table);
    const owner = identity && owners.get(identity);
    if (owner)
      found.push({
        path: [...path, 'table'],
        problem: `${String(entity.table)} is the table of entity ${owner} already; one table is one entity`,
      });
    else if (identity) owners.set(identity, name);
    const strategy = entity.conflict ?? at(tree, ['sync', 'conflict']);
    const faults = [...columnsAgainst(entity), ...strategyAgainst(entity, strategy)];
    for (const [field, problem] of faults) found.push({ path: [...path, field], problem });
  }
  return found;
}

function columnsAgainst(entity: Tree): [string, string][] {
  const found: [string, string][] = [];
  const keys = texts(entity.key).map((key) => sqlName(key) ?? key);
  const excluded = texts(entity.exclude);
  const lists: [string, string[]][] = [
    ['key', keys],
    ['exclude', excluded],
    ['delta', texts(entity.delta)],
    ['local', texts(entity.local)],
  ];
  for (const [field, columns] of lists) {
    const twice = columns.find((column, i) => columns.indexOf(column) !== i);
    if (twice !== undefined) found.push([field, `${twice} stands twice in it`]);
  }
  const both = (field: string, columns: string[], other: string[], problem: string) => {
    for (const column of columns.filter((name) => other.includes(name))) found.push([field, `${column} ${problem}`]);
  };
  both('exclude', excluded, keys, 'is a key column: the cloud could not tell the rows apart without it');
  both('delta', texts(entity.delta), keys, 'is a key column: keys are not added up');
  both('delta', texts(entity.delta), excluded, 'is excluded: it never reaches the cloud');
  both('local', texts(entity.local), keys, 'is a key column: it is the same on both sides');
  both('delta', texts(entity.delta), texts(entity.local), 'is also listed as local; it can be one of them');
  for (const field of ['date_field', 'money_field'])
    both(field, texts([entity[field]]), excluded, 'is excluded: it never reaches the cloud');
  both('date_field', texts([entity.date_field]), texts(entity.local), 'is local: it may be another day at the cloud');
  if (entity.direction === 'pull' && entity.coalesce === true)
    found.push(['coalesce', 'is for what is pushed, and direction is pull']);
  return found;
}

/** @param strategy the one that holds for the entity, its own or everybody's */
function strategyAgainst(entity: Tree, strategy: unknown): [string, string][] {
  const found: [string, string][] = [];
  const { direction } = entity;
  if (entity.conflict === 'merge' && (direction === 'push' || direction === 'pull'))
    found.push(['conflict', `merge is for what both sides edit, and direction is ${direction}`]);
  if (texts(entity.delta).length > 0 && (strategy !== 'merge' || direction !== 'both'))
    found.push(['delta', 'is for what is merged: it needs direction: both and conflict: merge']);
  if (texts(entity.also_writes).length > 0 && direction === 'push')
    found.push(['also_writes', 'is for what is pulled, and direction is push']);
  return found;
}

function listeners(tree: Tree): Contradiction[] {
  const found: Contradiction[] = [];
  const [admin, webhook] = [at(tree, ['admin', 'listen']), at(tree, ['webhook', 'listen'])].map(listen);
  if (admin && !isLoopback(admin.host) && at(tree, ['admin', 'token_file']) === undefined) {
    found.push({ path: ['admin', 'listen'], problem: `${admin.host} is open to others; that needs admin.token_file` });
  }
  if (admin && webhook && admin.port === webhook.port && admin.port !== 0) {
    found.push({ path: ['webhook', 'listen'], problem: `port ${webhook.port} is admin.listen's already` });
  }
  return found;
}

function at(tree: unknown, path: string[]): unknown {
  return path.reduce<unknown>((inner, step) => (isTree(inner) ? inner[step] : undefined), tree);
}

function raw(section: unknown, field: string): string {
  return String(at(section, [field]));
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
