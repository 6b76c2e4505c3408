/** Whether the connected role may do what the plan needs. Pure: says in advance what PostgreSQL would refuse halfway. */
import { CAPTURE, DAEMON, OWNER, qualified, SCHEMA } from './names.js';
import type { EntityObjects } from './objects.js';
import type { State } from './state.js';

export function rightsIssues(state: State, entities: EntityObjects[]): string[] {
  const issues: string[] = [];
  const missing = [OWNER, CAPTURE, DAEMON].filter((name) => !state.roles.some((role) => role.name === name));
  if (missing.length > 0 && !state.mayCreateRoles) {
    issues.push(
      `${state.user} may not create roles (${missing.join(', ')}): use --admin-url with a role that has CREATEROLE`,
    );
  }
  const owner = state.roles.find((role) => role.name === OWNER);
  if (owner && !owner.usable && !state.mayCreateRoles) {
    issues.push(`${state.user} is no member of ${OWNER}: GRANT ${OWNER} TO ${state.user}`);
  }
  if (!state.captureRole.joined && !state.captureRole.mayJoin) {
    issues.push(
      `${OWNER} is no member of ${CAPTURE}, and ${state.user} may not make it one: a superuser must run GRANT ${CAPTURE} TO ${OWNER}`,
    );
  }
  if (state.schemaOwner === undefined && !state.mayCreateSchemas) {
    issues.push(`${state.user} may not create a schema in database ${state.database}: GRANT CREATE ON DATABASE`);
  }
  if (state.schemaOwner !== undefined && state.schemaOwner !== OWNER) {
    issues.push(
      `schema ${SCHEMA} belongs to ${state.schemaOwner}, so it is not syncd's: rename it first. Where it came with a dump its owner was missing: CREATE ROLE ${OWNER} NOLOGIN; CREATE ROLE ${CAPTURE} NOLOGIN; CREATE ROLE ${DAEMON} LOGIN; then restore the dump into an empty database again`,
    );
  }
  if (state.superuser) return issues;
  const bypasses = state.roles.some((role) => role.name === CAPTURE && role.bypassesPolicies);
  for (const { plan } of entities.filter((entity) => entity.plan.bypassesPolicies && !bypasses)) {
    issues.push(
      `entity ${plan.entity}: ${plan.table} has row-level security and triggers of its own, so its rows are read again: a superuser must run ALTER ROLE ${CAPTURE} BYPASSRLS`,
    );
  }
  for (const { plan, triggers } of entities) {
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
  }
  return issues;
}
