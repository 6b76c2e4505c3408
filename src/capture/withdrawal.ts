/**
 * Takes rights back that nothing needs any more: of tables that left the configuration, or that no trigger is said to write any
 * more, of their sequences and schemas. Pure. Only what an install has granted, as it wrote down in syncd.capture: what somebody
 * granted by hand stays his.
 */
import { DAEMON, identifier, qualified } from './names.js';
import type { EntityObjects } from './objects.js';
import type { EntityPlan } from './plan.js';
import type { State } from './state.js';

/** What the daemon's role is given for an entity, as GRANT wants it named. */
export function grantedFor(plan: Pick<EntityPlan, 'root' | 'written'>): string[] {
  const targets = new Set<string>();
  const add = (kind: 'TABLE' | 'SEQUENCE', { schema, name }: { schema: string; name: string }) =>
    targets.add(`${kind} ${qualified(schema, name)}`).add(`SCHEMA ${identifier(schema)}`);
  add('TABLE', plan.root);
  for (const table of plan.written) {
    add('TABLE', table);
    for (const sequence of table.sequences) add('SEQUENCE', sequence);
  }
  return [...targets].sort();
}

/** @returns REVOKE statements, in no order that matters */
export function withdrawals(all: readonly EntityObjects[], state: State): string[] {
  const needed = new Set(all.flatMap(({ plan }) => grantedFor(plan)));
  const granted = new Set(state.captures.flatMap(({ record }) => (record.granted as string[] | undefined) ?? []));
  // The owner reads again where a captured table's triggers do.
  const captured = new Set(
    all.flatMap(({ plan, triggers }) => [plan.root.oid, ...triggers.map(({ member }) => member.oid)]),
  );
  const left = new Set(state.captures.map(({ tableOid }) => tableOid).filter((oid) => oid && !captured.has(oid)));
  const surplus = state.grants.filter(({ grantee, object, target }) =>
    grantee === DAEMON
      ? granted.has(target) && !needed.has(target)
      : grantee !== 'PUBLIC' && left.has(object.replace(/^TABLE /, '')),
  );
  return [...new Set(surplus.map(({ grantee, target }) => `REVOKE ALL ON ${target} FROM ${grantee}`))];
}
