/**
 * Takes rights back that nothing needs any more: of tables that left the configuration, or that no trigger is said to write any
 * more, of their sequences and schemas. Pure. The role syncd is there for this program alone, so what it holds beyond the plan is
 * a leftover. What a captured table's own rights should be, its entity's steps see to.
 */
import { DAEMON } from './names.js';
import type { EntityObjects } from './objects.js';
import type { State } from './state.js';

/** @returns REVOKE statements, in no order that matters */
export function withdrawals(all: readonly EntityObjects[], state: State): string[] {
  const needed = new Set<string>();
  for (const { plan } of all) {
    needed.add(`TABLE ${plan.root.oid}`).add(`SCHEMA ${plan.root.schema}`);
    for (const table of plan.written) {
      needed.add(`TABLE ${table.oid}`).add(`SCHEMA ${table.schema}`);
      for (const { oid, schema } of table.sequences) needed.add(`SEQUENCE ${oid}`).add(`SCHEMA ${schema}`);
    }
  }
  // The owner reads again where a captured table's triggers do; what it was given for others is not needed.
  const captured = new Set(
    all.flatMap(({ plan, triggers }) => [plan.root.oid, ...triggers.map(({ member }) => member.oid)]),
  );
  const left = new Set(state.captures.map(({ tableOid }) => tableOid).filter((oid) => oid && !captured.has(oid)));
  const surplus = state.grants.filter(({ grantee, object }) => {
    if (grantee === 'PUBLIC') return false;
    if (grantee === DAEMON) return !needed.has(object);
    return left.has(object.replace(/^TABLE /, ''));
  });
  return [...new Set(surplus.map(({ grantee, target }) => `REVOKE ALL ON ${target} FROM ${grantee}`))];
}
