/**
 * Whether the connected role may do what the plan needs: says in advance what PostgreSQL would refuse halfway, or leave undone
 * without an error.
 */
import type pg from 'pg';
import { SyncError } from '../errors.js';
import { CAPTURE, DAEMON, identifier, OWNER, qualified, SCHEMA } from './names.js';
import type { EntityObjects } from './objects.js';
import type { State } from './state.js';
import { mayGrant, missingRights } from './table-rights.js';

/** Without the schema's owner nothing in it can be read: this comes before everything else. */
const STRANGE = `
  SELECT current_user::text AS user, r.rolinherit AS inherits, pg_has_role(n.nspowner, 'MEMBER') AS member,
         current_setting('server_version_num')::int >= 160000 AS options
  FROM pg_roles r JOIN pg_namespace n ON n.nspname = $1 JOIN pg_roles o ON o.oid = n.nspowner AND o.rolname = $2
  WHERE r.rolname = current_user AND NOT has_schema_privilege(n.oid, 'USAGE')`;

/** What whoever lacks rights may do at once. */
export const administratorsLogin = (command: 'install' | 'uninstall'): string =>
  `It needs an administrator's login: sudo -u postgres syncd ${command}, or name one with --admin-url URL.`;

/** @throws SyncError `configuration` where syncd is installed and the connected role may not act as its owner */
export async function refuseStrangers(client: pg.Client, command: 'install' | 'uninstall'): Promise<void> {
  type Strange = { user: string; inherits: boolean; member: boolean; options: boolean };
  const { rows } = await client.query<Strange>(STRANGE, [SCHEMA, OWNER]);
  const [strange] = rows;
  if (!strange) return;
  const { user, inherits, member, options } = strange;
  const remedy = options || inherits || !member ? letAct(user, options) : `ALTER ROLE ${identifier(user)} INHERIT`;
  throw new SyncError('configuration', `nothing was changed: ${user} may not act as ${OWNER}, which has the schema`, {
    hint: `${administratorsLogin(command)} Or let ${user}, as a superuser or as whoever installed it: ${remedy}`,
  });
}

const letAct = (user: string, options: boolean) =>
  `GRANT ${OWNER} TO ${identifier(user)}${options ? ' WITH INHERIT TRUE, SET TRUE' : ''}`;

export function rightsIssues(state: State, entities: EntityObjects[]): string[] {
  const issues = [...roleIssues(state), ...schemaIssues(state)];
  if (state.superuser) return issues;
  return [
    ...issues,
    ...policyIssues(state, entities),
    ...entities.flatMap((one) => tableIssues(one, state)),
    ...leftIssues(state, entities),
  ];
}

function roleIssues(state: State): string[] {
  const issues: string[] = [];
  const { user, captureRole } = state;
  const missing = [OWNER, CAPTURE, DAEMON].filter((name) => !state.roles.some((role) => role.name === name));
  if (missing.length > 0 && !state.mayCreateRoles) {
    issues.push(
      `${user} may not create roles (${missing.join(', ')}): use --admin-url with a role that has CREATEROLE`,
    );
  }
  const owner = state.roles.find((role) => role.name === OWNER);
  if (owner && !owner.usable && !owner.mayTake) {
    issues.push(
      `${user} is no member of ${OWNER}: a superuser must run ${letAct(user, captureRole.membershipsHaveOptions)}`,
    );
  } else if (!state.superuser && !state.inherits && !captureRole.membershipsHaveOptions) {
    issues.push(`${user} does not have the rights of its roles by itself: ALTER ROLE ${identifier(user)} INHERIT`);
  }
  if (!captureRole.joined && !captureRole.mayJoin) {
    issues.push(
      `${OWNER} is no member of ${CAPTURE}, and ${user} may not make it one: a superuser must run ${owner ? '' : `CREATE ROLE ${OWNER} NOLOGIN; ${letAct(user, captureRole.membershipsHaveOptions)}; `}GRANT ${CAPTURE} TO ${OWNER}`,
    );
  }
  return issues;
}

function schemaIssues(state: State): string[] {
  const issues: string[] = [];
  if (state.schemaOwner === undefined && !state.mayCreateSchemas) {
    issues.push(`${state.user} may not create a schema in database ${state.database}: GRANT CREATE ON DATABASE`);
  }
  if (state.schemaOwner !== undefined && state.schemaOwner !== OWNER) {
    issues.push(
      `schema ${SCHEMA} belongs to ${state.schemaOwner}, so it is not syncd's: rename it first. Where it came with a dump its owner was missing: CREATE ROLE ${OWNER} NOLOGIN; CREATE ROLE ${CAPTURE} NOLOGIN; CREATE ROLE ${DAEMON} LOGIN; then restore the dump into an empty database again. Where ${OWNER} was renamed: ALTER ROLE ${identifier(state.schemaOwner)} RENAME TO ${OWNER}`,
    );
  }
  if (!state.daemonConnects && !mayGrant(state, `DATABASE ${state.database}`, 'CONNECT')) {
    issues.push(
      `${DAEMON} may not connect to database ${state.database}, and ${state.user} may not let it: its owner must run GRANT CONNECT ON DATABASE ${identifier(state.database)} TO ${DAEMON}`,
    );
  }
  return issues;
}

function policyIssues(state: State, entities: EntityObjects[]): string[] {
  const known = state.roles.find((role) => role.name === CAPTURE);
  if (known?.bypassesPolicies || (state.mayPassPolicies && known?.mayTake !== false)) return [];
  const made = known ? `ALTER ROLE ${CAPTURE} BYPASSRLS` : `CREATE ROLE ${CAPTURE} NOLOGIN BYPASSRLS`;
  return entities
    .filter(({ plan }) => plan.bypassesPolicies)
    .map(
      ({ plan }) =>
        `entity ${plan.entity}: ${plan.table} has row-level security and triggers of its own, so its rows are read again: a superuser must run ${made}`,
    );
}

function tableIssues(objects: EntityObjects, state: State): string[] {
  const { plan, triggers } = objects;
  const issues: string[] = [];
  for (const member of plan.members) {
    const table = qualified(member.schema, member.name);
    if (!member.mayTrigger) issues.push(`entity ${plan.entity}: ${state.user} has no TRIGGER right on ${table}`);
    const replaced = state.triggers.some(
      (found) =>
        found.tableOid === member.oid &&
        triggers.some((one) => one.name === found.name && one.function !== found.function),
    );
    if (replaced && !member.owned)
      issues.push(`entity ${plan.entity}: only the owner of ${table} may replace its triggers`);
  }
  // PostgreSQL makes a mere warning of a GRANT that gives nothing.
  for (const { role, object, target, privileges } of missingRights(objects, state)) {
    const not = privileges.filter((privilege) => !mayGrant(state, object, privilege));
    if (not.length === 0) continue;
    const owner = state.grantable?.find((one) => one.object === object)?.owner ?? null;
    issues.push(
      `entity ${plan.entity}: ${state.user} may not grant ${not.join(', ')} on ${target} to ${role}: only its owner may${owner === null ? '' : ` (GRANT ${identifier(owner)} TO ${identifier(state.user)})`}, or a superuser`,
    );
  }
  return issues;
}

/** What is left over from before. */
function leftIssues(state: State, entities: EntityObjects[]): string[] {
  const wanted = entities.flatMap(({ triggers }) => triggers);
  const obsolete = state.triggers.filter(
    (found) => !found.owned && !wanted.some((one) => one.member.oid === found.tableOid && one.name === found.name),
  );
  const tables = new Set(obsolete.map(({ schema, table }) => qualified(schema, table)));
  const strange = new Set(
    state.functions
      .filter(({ owned, owner }) => !owned && owner !== OWNER && owner !== CAPTURE)
      .map(({ owner }) => owner),
  );
  return [
    ...[...tables].map((table) => `${table} is not captured any more, and only its owner may drop its triggers`),
    ...[...strange].map(
      (owner) =>
        `the trigger functions belong to ${owner}: a superuser must run syncd install once, or ${owner} itself`,
    ),
  ];
}

/** Who may read all but the schema syncd, and perhaps dumps it at night. */
const DUMPERS = `
  SELECT rolname::text AS name FROM pg_roles
  WHERE rolname = ANY ($1::text[]) AND rolcanlogin AND NOT rolsuper AND rolname <> current_user
    AND pg_has_role(oid, to_regrole('pg_read_all_data'), 'USAGE') IS NOT TRUE ORDER BY 1`;

/** Nothing of the shop may fail from now on without a word: pg_dump wants to read every table, ours too. */
export async function backupNotice(client: pg.Client, entities: EntityObjects[]): Promise<string[]> {
  const owners = new Set(entities.flatMap(({ plan }) => plan.members.map(({ owner }) => owner)));
  const { rows } = await client.query<{ name: string }>(DUMPERS, [[...owners]]);
  return rows.map(
    ({ name }) =>
      `a pg_dump of this database as ${name} is refused from now on, for it may not read schema ${SCHEMA}: let a superuser take the backups, or leave syncd out of them (pg_dump -N ${SCHEMA})`,
  );
}

/** A subscriber that has not every published table takes nothing more, and its server keeps the WAL for it until the disk is full. */
export async function publicationNotice(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    'SELECT pubname::text AS name FROM pg_publication WHERE puballtables ORDER BY 1',
  );
  return rows.map(
    ({ name }) =>
      `publication ${identifier(name)} publishes all tables, from now on those of schema ${SCHEMA} too: a subscriber of PostgreSQL that lacks them stops, and WAL is kept for it until the disk is full. Make them there (pg_dump -s -n ${SCHEMA}), or publish the tables of the POS by name`,
  );
}
