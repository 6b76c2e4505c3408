/**
 * Takes rights back that nothing needs any more: of tables that left the configuration, or that no trigger is said to write any
 * more, of their sequences and schemas. Pure. Only what an install has granted, as it wrote down in syncd.capture: what somebody
 * granted by hand stays his.
 */
import { grantedFor } from './granted.js';
import { CAPTURE, DAEMON } from './names.js';
import type { EntityObjects } from './objects.js';
import type { State } from './state.js';

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
