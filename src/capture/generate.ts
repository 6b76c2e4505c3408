/**
 * Writes the trigger functions of one table. Pure.
 *
 * They run inside the sale, with the owner's rights and under whatever settings and search_path the POS has. So nothing in them
 * is looked up by a bare name: functions, types and operators carry their schema (that is what makes them safe as SECURITY
 * DEFINER without the price of a pinned search_path), the POS's columns appear only as `alias."column"` or `alias.*`.
 */

import { LOCK_CLASS, LOCKS } from '../db/schema.js';
import {
  absent,
  changed,
  eitherKey,
  keyText,
  operation,
  pairs,
  payload,
  previous,
  rank,
  rowsOf,
  sameKey,
} from './expressions.js';
import { type CaptureEvent, identifier, literal, NEW_ROWS, OLD_ROWS } from './names.js';
import type { Recipe } from './recipe.js';

export type FunctionText = { body: string; settings: string[] };

/** The function for one event: its body and its SET clauses. */
export function captureFunction(recipe: Recipe, event: CaptureEvent): FunctionText {
  const pins = event === 'truncate' ? {} : recipe.pins;
  return {
    body: guarded(recipe, (event === 'truncate' ? truncation(recipe) : capture(recipe, event)) + wake(recipe)),
    settings: Object.entries({ lock_timeout: '200ms', ...pins }).map(([name, value]) => `${name}=${value}`),
  };
}

const INTO = 'INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload, previous)';

function capture(recipe: Recipe, event: 'insert' | 'update' | 'delete'): string {
  if (recipe.rereadFrom === undefined) return atHand(recipe, event);
  const again = reread(recipe, event, recipe.rereadFrom);
  if (recipe.rereadAlways) return again;
  return `
  IF ${NESTED} THEN${inner(again)}
  ELSE${inner(atHand(recipe, event, again))}
  END IF;
  IF FOUND${event === 'delete' ? '' : ' AND pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.>) 1'} THEN
    PERFORM pg_catalog.set_config('syncd.nested', ${STATEMENT}, true);
  END IF;`;
}

/**
 * What a trigger of the POS wrote into the table is captured before the statement that made it fire: that leaves a mark, for as long
 * as the client's statement runs, by which the later one knows that its own rows may be older. So does what was deleted: of the
 * cascades that one statement sets off, those that delete may be captured before those that had updated the same row.
 */
const STATEMENT =
  "(pg_catalog.date_part('epoch', pg_catalog.statement_timestamp()) OPERATOR(pg_catalog.*) 1000000::pg_catalog.float8)::pg_catalog.int8::pg_catalog.text";
const NESTED = `(pg_catalog.current_setting('syncd.nested', true) OPERATOR(pg_catalog.=) ${STATEMENT}) IS TRUE`;

const inner = (text: string): string => text.replaceAll('\n', '\n  ');

/** @param again what to do where two cascades changed one row, which stands among the updated ones twice */
function atHand(recipe: Recipe, event: 'insert' | 'update' | 'delete', again?: string): string {
  const entity = literal(recipe.entity);
  const [before, after] = rowsOf(recipe);
  const [fromOld, fromNew] = sources(recipe);
  switch (event) {
    case 'insert':
      return `
  ${INTO}
  SELECT ${entity}, ${keyText(recipe, after)}, 'create', ${payload(recipe, after)}, NULL${fromNew};`;
    case 'delete':
      return `
  ${INTO}
  SELECT ${entity}, ${keyText(recipe, before)}, 'delete', NULL, NULL${fromOld};`;
    case 'update':
      return recipe.level === 'row'
        ? rowUpdate(recipe)
        : `${singleUpdate(recipe)}
  IF NOT FOUND THEN${inner(again === undefined ? updates(recipe) : unlessTwice(recipe, again))}
  END IF;`;
  }
}

/** Under the name that it had before, or under the one that it got: the second cascade may have changed the key. */
function unlessTwice(recipe: Recipe, again: string): string {
  const twice = (rows: string, alias: 'o' | 'n') =>
    `EXISTS (SELECT FROM ${rows} AS ${alias} GROUP BY ${keyText(recipe, alias)} HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1)`;
  return `
  IF ${twice(NEW_ROWS, 'n')}
    OR ${twice(OLD_ROWS, 'o')} THEN${inner(again)}
  ELSE${inner(updates(recipe))}
  END IF;`;
}

/** The one row of a row trigger. */
function rowUpdate(recipe: Recipe): string {
  const entity = literal(recipe.entity);
  const same = sameKey(recipe);
  return `
  ${INTO}
  SELECT ${entity}, ${keyText(recipe, 'NEW')}, 'update', ${payload(recipe, 'NEW')}, ${previous(recipe)}
  WHERE ${same} AND ${changed(recipe)}
  UNION ALL SELECT ${entity}, ${keyText(recipe, 'OLD')}, 'delete', NULL, NULL WHERE NOT (${same})
  UNION ALL SELECT ${entity}, ${keyText(recipe, 'NEW')}, 'create', ${payload(recipe, 'NEW')}, NULL WHERE NOT (${same});`;
}

/** One updated row needs no join: a statement that touched more falls through at the price of one look. */
function singleUpdate(recipe: Recipe): string {
  return `
  ${INTO}
  SELECT ${literal(recipe.entity)}, ${keyText(recipe, 'n')}, 'update', ${payload(recipe, 'n')}, ${previous(recipe)}
  FROM ${OLD_ROWS} AS o, ${NEW_ROWS} AS n
  WHERE NOT EXISTS (SELECT FROM ${NEW_ROWS} OFFSET 1)
    AND ${sameKey(recipe)}
    AND ${changed(recipe)};`;
}

/**
 * Any number of updated rows, paired by key. The FULL JOIN is also what keeps the plan a hash join: one that was kept from a
 * small statement must not meet a bulk update as a nested loop.
 */
function updates(recipe: Recipe): string {
  return `
  ${INTO}
  SELECT ${literal(recipe.entity)}, ${eitherKey(recipe)}, ${operation(recipe)},
    CASE WHEN ${absent(recipe, 'n')} THEN NULL ELSE ${payload(recipe, 'n')} END,
    CASE WHEN ${absent(recipe, 'n')} OR ${absent(recipe, 'o')} THEN NULL ELSE ${previous(recipe)} END
  FROM ${pairs(recipe, `${OLD_ROWS} AS o`, `${NEW_ROWS} AS n`)}
  WHERE ${absent(recipe, 'o')} OR ${absent(recipe, 'n')} OR ${changed(recipe)}
  ORDER BY ${rank(recipe)};`;
}

/**
 * The same where rows must be read again: what is captured is what the table holds when the statement has ended. A row that
 * meanwhile went may have been captured as gone by what did it, but it may also have gone on to another name in the same statement.
 * Another row may have the name that one gave up: before the end of the transaction two may have it where the key is deferrable, and
 * the last statement that touches it tells which one keeps it.
 */
function reread(recipe: Recipe, event: 'insert' | 'update' | 'delete', table: string): string {
  const keys = recipe.keys.map((key, place) => ({ ...key, column: identifier(key.name), again: `k.key${place}` }));
  const equal = keys.map((key) => `t.${key.column} ${key.equals} ${key.again}`);
  // A row under an equal key that is written differently (numeric, citext) is another entity: the one that was named so is gone.
  if (!recipe.keys.every((key) => key.exact)) equal.push(`${keyText(recipe, 't')} OPERATOR(pg_catalog.=) k.entity_id`);
  const gone = absent(recipe, 't');
  return `
  ${INTO}
  SELECT DISTINCT ON (k.place, k.entity_id) ${literal(recipe.entity)}, k.entity_id,
    CASE WHEN ${gone} THEN 'delete' WHEN k.place OPERATOR(pg_catalog.=) 2 THEN 'create' ELSE 'update' END,
    CASE WHEN ${gone} THEN NULL ELSE ${payload(recipe, 't')} END, k.previous
  FROM (${touched(recipe, event)}) AS k(entity_id, place, changed, previous, ${keys.map((_, place) => `key${place}`).join(', ')})
  LEFT JOIN ${table} AS t ON ${equal.join(' AND ')}
  WHERE CASE WHEN ${gone} THEN k.place OPERATOR(pg_catalog.<>) 2 ELSE k.changed END
  ORDER BY k.place, k.entity_id;`;
}

/** The entities that a statement touched: id, place in the order, whether anything of it is another, previous values, key columns. */
function touched(recipe: Recipe, event: 'insert' | 'update' | 'delete'): string {
  const [before, after] = rowsOf(recipe);
  const [fromOld, fromNew] = sources(recipe);
  const key = (alias: string) => recipe.keys.map(({ name }) => `${alias}.${identifier(name)}`).join(', ');
  const one = (alias: typeof before, place: number, old = 'NULL::pg_catalog.json') =>
    `SELECT ${keyText(recipe, alias)}, ${place}, true, ${old}, ${key(alias)}`;
  if (event === 'insert') return `${one(after, 2)}${fromNew}`;
  if (event === 'delete') return `${one(before, 0)}${fromOld}`;
  if (recipe.level === 'row') {
    const same = sameKey(recipe);
    return `${one(after, 1, previous(recipe))} WHERE ${same} AND ${changed(recipe)}
    UNION ALL ${one(before, 0)} WHERE NOT (${same})
    UNION ALL ${one(after, 2)} WHERE NOT (${same})`;
  }
  const either = recipe.keys.map(({ name }) => identifier(name)).map((column) => `COALESCE(n.${column}, o.${column})`);
  const half = `${absent(recipe, 'n')} OR ${absent(recipe, 'o')}`;
  return `SELECT ${eitherKey(recipe)}, ${rank(recipe)}, ${half} OR ${changed(recipe)},
      CASE WHEN ${half} THEN NULL ELSE ${previous(recipe)} END, ${either.join(', ')}
    FROM ${pairs(recipe, `${OLD_ROWS} AS o`, `${NEW_ROWS} AS n`)}`;
}

/** Where the rows before and after come from, in FROM: a row trigger has them at hand. */
function sources(recipe: Recipe): [fromOld: string, fromNew: string] {
  return recipe.level === 'row' ? ['', ''] : [`\n  FROM ${OLD_ROWS} AS o`, `\n  FROM ${NEW_ROWS} AS n`];
}

function truncation(recipe: Recipe): string {
  return `
  INSERT INTO syncd.truncations (entity_type, table_name)
  VALUES (${literal(recipe.entity)}, pg_catalog.format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME));`;
}

/**
 * The sale's side of the wake gate (db/wake has the daemon's): the test of gateAwake, granted where nobody is awake. It must come
 * after the INSERT, whose lock on the queue is what a daemon that falls asleep looks for: the other way round it could miss us.
 * The test is made at every firing: remembering it costs a sale 4 microseconds more than asking again. Only the waking itself
 * is remembered, by syncd.wake(), in a setting that goes with the notification when a savepoint is rolled back.
 * Who sets it by hand only delays his own changes to the daemon's next look, a second later.
 */
function wake(recipe: Recipe): string {
  switch (recipe.notify) {
    case 'never':
      return '';
    case 'always':
      return `
  IF FOUND THEN
    PERFORM syncd.wake();
  END IF;`;
    case 'gate':
      return `
  IF FOUND AND pg_catalog.pg_try_advisory_xact_lock_shared(${LOCK_CLASS}, ${LOCKS.gateAwake}) THEN
    IF (pg_catalog.current_setting('syncd.woken', true) OPERATOR(pg_catalog.=) 'yes') IS NOT TRUE THEN
      PERFORM syncd.wake();
    END IF;
  END IF;`;
  }
}

/**
 * Under `continue` a fault costs a change, never the sale: it is counted on a sequence, which neither a rollback nor a full disk
 * undoes. A serialization failure or a deadlock is the sale's own and goes on to it. Even the warning may fail: where the client's
 * encoding has no character of the reason, PostgreSQL makes an error of it. The server's log has it by then.
 */
function guarded(recipe: Recipe, work: string): string {
  if (recipe.onError === 'block') return `\nBEGIN${work}\n  RETURN NULL;\nEND\n`;
  return `
BEGIN${work}
  RETURN NULL;
EXCEPTION
  WHEN serialization_failure OR deadlock_detected THEN
    RAISE;
  WHEN OTHERS THEN
    BEGIN
      PERFORM pg_catalog.nextval(${literal(recipe.failures)}::pg_catalog.regclass);
    EXCEPTION WHEN OTHERS THEN
      NULL;
    END;
    BEGIN
      RAISE WARNING 'syncd: a change of % was not captured: % (%)', ${literal(recipe.entity)}, SQLERRM, SQLSTATE;
    EXCEPTION WHEN OTHERS THEN
      NULL;
    END;
    RETURN NULL;
END
`;
}
