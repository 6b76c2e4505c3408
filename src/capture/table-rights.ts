/**
 * The rights on what is the POS's own: its tables, their sequences and schemas, and the database. The daemon reads what is captured
 * and writes what is pulled and what its own triggers write; the triggers read where they read again. Pure.
 */
import { CAPTURE, DAEMON, identifier, parseName, qualified } from './names.js';
import type { EntityObjects } from './objects.js';
import type { EntityPlan } from './plan.js';
import type { State } from './state.js';
import type { Step } from './step.js';

/** `object` and `target` as in State.grants. */
export type Right = { role: string; object: string; target: string; privileges: string[] };

type Named = { schema: string; name: string; oid: string };

/**
 * What an entity needs and does not have. A schema that everybody may use is granted too, where it may be: a REVOKE from PUBLIC
 * is customary.
 */
export function missingRights({ plan, triggers }: EntityObjects, state: State): Right[] {
  const held = (grantee: string, object: string, privilege: string) =>
    state.grants.some((grant) => grant.grantee === grantee && grant.object === object && grant.privilege === privilege);
  const missing: Right[] = [];
  const add = (role: string, object: string, target: string, wanted: string[]) => {
    const known = missing.find((one) => one.role === role && one.object === object);
    const privileges = wanted.filter((one) => !held(role, object, one) && !known?.privileges.includes(one));
    if (known) known.privileges.push(...privileges);
    else if (privileges.length > 0) missing.push({ role, object, target, privileges });
  };
  const use = (role: string, schema: string) => {
    const object = `SCHEMA ${schema}`;
    if (!held('PUBLIC', object, 'USAGE') || mayGrant(state, object, 'USAGE'))
      add(role, object, `SCHEMA ${identifier(schema)}`, ['USAGE']);
  };
  const grant = (role: string, table: Named, privileges: string[], kind: 'TABLE' | 'SEQUENCE' = 'TABLE') => {
    use(role, table.schema);
    add(role, `${kind} ${table.oid}`, `${kind} ${qualified(table.schema, table.name)}`, privileges);
  };
  for (const schema of plan.typeSchemas) use(DAEMON, schema);
  if (plan.direction === 'push') grant(DAEMON, plan.root, ['SELECT']);
  // A walk reads an inheritance child itself, for its own columns.
  if (plan.recipe.level === 'row') for (const { member } of triggers) grant(DAEMON, member, ['SELECT']);
  for (const table of plan.written) {
    grant(DAEMON, table, ['SELECT', 'INSERT', 'UPDATE', 'DELETE']);
    for (const sequence of table.sequences) grant(DAEMON, sequence, ['SELECT', 'USAGE', 'UPDATE'], 'SEQUENCE');
  }
  if (plan.recipe.rereadFrom !== undefined && triggers.length > 0) {
    for (const schema of operatorSchemas(plan)) use(CAPTURE, schema);
    grant(CAPTURE, plan.root, ['SELECT']);
    if (plan.recipe.level === 'row') for (const { member } of triggers) grant(CAPTURE, member, ['SELECT']);
  }
  return missing;
}

/** Whether the connected role may pass the privilege on. */
export function mayGrant({ grantable }: State, object: string, privilege: string): boolean {
  return (
    grantable === undefined || grantable.some((one) => one.object === object && one.privileges.includes(privilege))
  );
}

/**
 * One entity's rights, given and taken.
 * @param written oids of the tables that some entity's triggers write
 */
export function rightsStatements(objects: EntityObjects, state: State, written: ReadonlySet<string>): string[] {
  const { plan } = objects;
  const given = missingRights(objects, state).map(
    ({ role, target, privileges }) => `GRANT ${privileges.join(', ')} ON ${target} TO ${role}`,
  );
  const surplus = plan.direction === 'push' && !written.has(plan.root.oid) ? ['INSERT', 'UPDATE', 'DELETE'] : [];
  const withdrawn = surplus.filter((privilege) =>
    state.grants.some(
      (grant) => grant.grantee === DAEMON && grant.object === `TABLE ${plan.root.oid}` && grant.privilege === privilege,
    ),
  );
  if (withdrawn.length === 0) return given;
  return [...given, `REVOKE ${withdrawn.join(', ')} ON ${plan.table} FROM ${DAEMON}`];
}

/** Where rows are read again by their key, its operators are looked for there: a citext's stand beside it. */
function operatorSchemas({ recipe }: EntityPlan): string[] {
  const schemas = recipe.keys.map(({ equals }) => parseName(equals.replace(/^OPERATOR\((.*)\.[^.]*$/, '$1'))?.[0]);
  return [...new Set(schemas)].filter((schema) => schema !== undefined && schema !== 'pg_catalog') as string[];
}

/** As usual everybody may connect; where that was revoked the daemon could not. */
export function connectionSteps({ database, daemonConnects }: State): Step[] {
  if (daemonConnects) return [];
  const statements = [`GRANT CONNECT ON DATABASE ${identifier(database)} TO ${DAEMON}`];
  return [{ about: `${DAEMON} may connect to database ${database}`, statements }];
}
