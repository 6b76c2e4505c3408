/**
 * Takes rights back that nothing needs any more: of tables that left the configuration, or that no trigger is said to write any
 * more, of their sequences and schemas. Pure. Only what an install has granted, as it wrote down in syncd.capture: what somebody
 * granted by hand stays his.
 */
import { CAPTURE, DAEMON, identifier, qualified } from './names.js';
import type { EntityObjects } from './objects.js';
import type { EntityPlan } from './plan.js';
import type { State } from './state.js';

/** What the daemon's role is given for an entity, as GRANT wants it named. */
export function grantedFor(plan: Pick<EntityPlan, 'root' | 'written' | 'typeSchemas'>): string[] {
  const targets = new Set(plan.typeSchemas.map((schema) => `SCHEMA ${identifier(schema)}`));
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
  // The triggers read where they read again; an older install had the schema's owner do it.
  const readAgain = new Set(
    all
      .filter(({ plan, triggers }) => plan.recipe.rereadFrom !== undefined && triggers.length > 0)
      .flatMap(({ plan, triggers }) => [plan.root.oid, ...triggers.map(({ member }) => member.oid)]),
  );
  const captured = new Set(
    all.flatMap(({ plan, triggers }) => [plan.root.oid, ...triggers.map(({ member }) => member.oid)]),
  );
  const left = new Set(state.captures.map(({ tableOid }) => tableOid).filter((oid) => oid && !captured.has(oid)));
  const isSurplus = (grantee: string, oid: string) =>
    left.has(oid) || (captured.has(oid) && !(grantee === CAPTURE && readAgain.has(oid)));
  const surplus = state.grants.filter(({ grantee, object, target }) =>
    grantee === DAEMON
      ? granted.has(target) && !needed.has(target)
      : grantee !== 'PUBLIC' && isSurplus(grantee, object.replace(/^TABLE /, '')),
  );
  return [...new Set(surplus.map(({ grantee, target }) => `REVOKE ALL ON ${target} FROM ${grantee}`))];
}
