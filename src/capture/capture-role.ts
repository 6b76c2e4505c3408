/**
 * The role that the generated trigger functions belong to and run as, and what it may do. Pure. They write a row as JSON, for which
 * PostgreSQL calls a cast of the column's type where its owner has written one: so they run with the least that they need, never
 * as the owner of the schema.
 */
import { CAPTURE, identifier, OWNER, qualified, SCHEMA } from './names.js';
import type { EntityObjects, FunctionObject } from './objects.js';
import type { InstalledFunction, State } from './state.js';
import type { Step } from './step.js';

/**
 * Whole tables: rights on the five columns of the queue that the triggers fill are looked up one by one at every statement, which
 * costs a sale 33,000 instructions of 2.1 million (A6), and whoever may add a change can do as much harm with these five.
 */
export const FILLED = ['sync_queue', 'truncations'];

/** Drawn by a default of syncd.truncations, which asks for the right; the number of an identity column does not. */
export const DRAWN = 'sync_queue_id_seq';

export const CALLED = ['wake()', 'excluded_columns(oid, text, text[], int2[])'];

/** For a sequence of the schema: the failure counters, and what a default draws. */
export const drawsFrom = (sequence: string) => `GRANT USAGE ON SEQUENCE ${qualified(SCHEMA, sequence)} TO ${CAPTURE}`;

/**
 * What the triggers may do inside the schema.
 * @param counters the failure sequences that are there
 */
export function captureAdmission(counters: readonly string[]): Step {
  return {
    about: `grants to ${CAPTURE} in schema ${SCHEMA}`,
    asOwner: true,
    statements: [
      `GRANT USAGE ON SCHEMA ${SCHEMA} TO ${CAPTURE}`,
      `GRANT INSERT ON ${FILLED.map((table) => qualified(SCHEMA, table)).join(', ')} TO ${CAPTURE}`,
      drawsFrom(DRAWN),
      ...counters.map(drawsFrom),
      ...CALLED.map((signature) => `GRANT EXECUTE ON FUNCTION ${SCHEMA}.${signature} TO ${CAPTURE}`),
    ],
  };
}

/** Whether the role in $1 has all of it; asked once the tables are there. */
export const ADMITTED = `
  SELECT bool_and(given.may) AS admitted FROM pg_roles r CROSS JOIN LATERAL (
    SELECT has_schema_privilege(r.oid, '${SCHEMA}', 'USAGE')
    UNION ALL SELECT has_table_privilege(r.oid, c.oid, 'INSERT') FROM pg_class c
    WHERE c.relnamespace = '${SCHEMA}'::regnamespace AND c.relname IN (${FILLED.map((table) => `'${table}'`).join(', ')})
    UNION ALL SELECT has_sequence_privilege(r.oid, c.oid, 'USAGE') FROM pg_class c
    WHERE c.relnamespace = '${SCHEMA}'::regnamespace AND c.relkind = 'S' AND (c.relname = '${DRAWN}' OR c.relname LIKE 'failures\\_%')
    UNION ALL SELECT has_function_privilege(r.oid, p.oid, 'EXECUTE') FROM pg_proc p
    WHERE p.pronamespace = '${SCHEMA}'::regnamespace AND p.proname IN (${CALLED.map((one) => `'${one.replace(/\(.*/, '')}'`).join(', ')})
  ) AS given(may) WHERE r.rolname = $1`;

/** The owner exchanges the bodies of functions that are not its own, and gives new ones away. */
export function membershipSteps(state: State): Step[] {
  if (state.captureRole.joined) return [];
  return [
    {
      about: `${OWNER} may act as ${CAPTURE}`,
      sharedByDatabases: true,
      statements: [`GRANT ${CAPTURE} TO ${OWNER}${membershipOptions(state)}`],
    },
  ];
}

/**
 * Since 16 a membership says by itself what it is good for, and one that the server made (createrole_self_grant) may lack a part;
 * before, the member does.
 */
export const membershipOptions = ({ captureRole }: State): string =>
  captureRole.membershipsHaveOptions ? ' WITH INHERIT TRUE, SET TRUE' : '';

/** Where a table's policies would hide rows from the triggers themselves. */
export function policySteps(entities: EntityObjects[], state: State): Step[] {
  const needed = entities.some(({ plan }) => plan.bypassesPolicies);
  if (!needed || state.roles.find((role) => role.name === CAPTURE)?.bypassesPolicies) return [];
  return [{ about: `${CAPTURE} bypasses row-level security`, statements: [`ALTER ROLE ${CAPTURE} BYPASSRLS`] }];
}

/** Where a dump was restored while the role was missing its functions belong to whoever restored it: to a superuser, mostly. */
export function strangersSteps({ functions }: State): Step[] {
  const strange = functions.filter(({ owner }) => owner !== OWNER && owner !== CAPTURE);
  if (strange.length === 0) return [];
  return [
    {
      about: `trigger functions of ${[...new Set(strange.map(({ owner }) => owner))].join(', ')} belong to ${OWNER}`,
      statements: strange.map(({ name }) => `ALTER FUNCTION ${qualified(SCHEMA, name)}() OWNER TO ${OWNER}`),
    },
  ];
}

/** Run as the schema's owner. Whoever is given a function must be able to create one there: for this moment alone. */
export function functionStatements(
  wanted: readonly FunctionObject[],
  found: (name: string) => InstalledFunction | undefined,
): string[] {
  const made = wanted.flatMap(({ name, create }) => [
    create,
    `REVOKE ALL ON FUNCTION ${qualified(SCHEMA, name)}() FROM PUBLIC`,
  ]);
  const given = wanted.filter(({ name }) => found(name)?.owner !== CAPTURE);
  if (given.length === 0) return made;
  return [
    ...made,
    `GRANT CREATE ON SCHEMA ${SCHEMA} TO ${CAPTURE}`,
    ...given.map(({ name }) => `ALTER FUNCTION ${qualified(SCHEMA, name)}() OWNER TO ${CAPTURE}`),
    `REVOKE CREATE ON SCHEMA ${SCHEMA} FROM ${CAPTURE}`,
  ];
}

/**
 * PostgreSQL clones a row trigger to a new partition in the name of whoever makes that one, and asks whether he may execute its
 * function: else the POS could make no partition. Run as the schema's owner.
 */
export function executionStatements(
  wanted: readonly FunctionObject[],
  found: (name: string) => InstalledFunction | undefined,
): string[] {
  return wanted.flatMap(({ name, executors }) => {
    const before = found(name);
    const now = (before?.executors ?? []).filter((role) => ![CAPTURE, OWNER, before?.owner].includes(role));
    const on = `ON FUNCTION ${qualified(SCHEMA, name)}()`;
    return [
      ...executors.filter((role) => !now.includes(role)).map((role) => `GRANT EXECUTE ${on} TO ${identifier(role)}`),
      ...now.filter((role) => !executors.includes(role)).map((role) => `REVOKE ALL ${on} FROM ${identifier(role)}`),
    ];
  });
}
