/**
 * What separates the database from the plan, as steps in order. Pure. One step is one transaction; a step that locks a table of
 * the POS locks that one only, and functions come before the triggers that call them.
 */
import type { Settings } from '../config/settings.js';
import {
  drawsFrom,
  executionStatements,
  functionStatements,
  membershipOptions,
  membershipSteps,
} from './capture-role.js';
import { grantedFor } from './granted.js';
import { hasMoved, hasReturned } from './moved.js';
import {
  CALLED_BY_DAEMON,
  CAPTURE,
  DAEMON,
  identifier,
  literal,
  OWNER,
  qualified,
  SCHEMA,
  SESSIONS,
  WRITTEN_BY_DAEMON,
} from './names.js';
import type { EntityObjects, FunctionObject } from './objects.js';
import { type InstalledFunction, type InstalledTrigger, ROLE_MARK, type State } from './state.js';
import type { Step } from './step.js';
import { rightsStatements } from './table-rights.js';
import { withdrawals } from './withdrawal.js';

/** Roles and schema: what the migrations stand on. */
export function foundationSteps(state: State): Step[] {
  const steps: Step[] = [];
  const has = (name: string) => state.roles.some((role) => role.name === name);
  for (const [role, login] of [
    [OWNER, 'NOLOGIN'],
    [CAPTURE, 'NOLOGIN'],
    [DAEMON, 'LOGIN'],
  ] as const) {
    if (has(role)) continue;
    steps.push({
      about: `role ${role}`,
      sharedByDatabases: true,
      statements: [`CREATE ROLE ${role} ${login}`, `COMMENT ON ROLE ${role} IS ${literal(ROLE_MARK)}`],
    });
  }
  const owner = state.roles.find((role) => role.name === OWNER);
  if (!state.superuser && !owner?.usable) {
    steps.push({
      about: `${state.user} may act as ${OWNER}`,
      sharedByDatabases: true,
      statements: [`GRANT ${OWNER} TO ${identifier(state.user)}${membershipOptions(state)}`],
    });
  }
  steps.push(...membershipSteps(state));
  if (state.schemaOwner === undefined) {
    steps.push({ about: `schema ${SCHEMA}`, statements: [`CREATE SCHEMA ${SCHEMA} AUTHORIZATION ${OWNER}`] });
  }
  return steps;
}

/** What the daemon finds out about a captured table, and nothing else of its row. */
const DRIFT = [
  'drift',
  'drift_kind',
  'drift_at',
  'drift_hint',
  'drift_misses',
  'holds_push',
  'holds_apply',
  'trigger_marks',
];

/** What the daemon may do inside the schema; the POS's roles and PUBLIC may nothing. */
export function admission(): Step {
  return {
    about: `grants to ${DAEMON} in schema ${SCHEMA}`,
    asOwner: true,
    statements: [
      `GRANT USAGE ON SCHEMA ${SCHEMA} TO ${DAEMON}`,
      `GRANT SELECT ON ALL TABLES IN SCHEMA ${SCHEMA} TO ${DAEMON}`,
      `GRANT INSERT, UPDATE, DELETE ON ${WRITTEN_BY_DAEMON.map((table) => qualified(SCHEMA, table)).join(', ')} TO ${DAEMON}`,
      `GRANT UPDATE ON ${qualified(SCHEMA, 'outlet_config')} TO ${DAEMON}`,
      `GRANT UPDATE (${DRIFT.join(', ')}) ON ${qualified(SCHEMA, 'capture')} TO ${DAEMON}`,
      `GRANT SELECT, USAGE ON ALL SEQUENCES IN SCHEMA ${SCHEMA} TO ${DAEMON}`,
      `GRANT UPDATE (failures_seen, older_rows) ON ${qualified(SCHEMA, 'capture')} TO ${DAEMON}`,
      ...CALLED_BY_DAEMON.map((signature) => `GRANT EXECUTE ON FUNCTION ${SCHEMA}.${signature} TO ${DAEMON}`),
    ],
  };
}

/**
 * A transaction that somebody leaves open holds changes back; else nobody could tell whose it is. Where it may not be granted the
 * doctor says so.
 */
export function sessionsSteps({ daemonSeesSessions, mayShowSessions }: State): Step[] {
  if (daemonSeesSessions || !mayShowSessions) return [];
  const about = `${DAEMON} sees how long the transactions of others are open`;
  return [{ about, sharedByDatabases: true, statements: [`GRANT ${SESSIONS} TO ${DAEMON}`] }];
}

/** The outlet's row; what is kept there over a re-install (install id, epoch, sync_enabled) is not named. */
export function outletSteps(settings: Settings, state: State): Step[] {
  const wanted: Record<string, string | null> = {
    outlet_id: settings.outlet.id,
    code: settings.outlet.code ?? null,
    timezone: settings.outlet.timezone,
    cloud_url: settings.cloud.url,
  };
  const differing = Object.keys(wanted).filter((name) => state.outlet?.[name] !== wanted[name]);
  if (differing.length === 0) return [];
  const values = Object.values(wanted).map((value) => (value === null ? 'NULL' : literal(value)));
  const assignments = Object.keys(wanted).map((name) => `${name} = excluded.${name}`);
  return [
    {
      about: `outlet ${settings.outlet.id}${state.outlet ? ` (${differing.join(', ')})` : ''}`,
      asOwner: true,
      statements: [
        `INSERT INTO syncd.outlet_config (${Object.keys(wanted).join(', ')})\nVALUES (${values.join(', ')})
ON CONFLICT (one) DO UPDATE SET ${assignments.join(', ')}`,
      ],
    },
  ];
}

/**
 * One entity: its rights, which its functions need, its counter and functions, then each table's triggers.
 * @param written oids of the tables that some entity's triggers write
 */
export function entitySteps(objects: EntityObjects, state: State, written: ReadonlySet<string>): Step[] {
  const { plan } = objects;
  const steps: Step[] = [];
  const statements: string[] = [];
  if (!state.sequences.includes(objects.sequence)) {
    const name = qualified(SCHEMA, objects.sequence);
    statements.push(
      `CREATE SEQUENCE ${name}`,
      `GRANT SELECT ON SEQUENCE ${name} TO ${DAEMON}`,
      drawsFrom(objects.sequence),
    );
    statements.push(
      `COMMENT ON SEQUENCE ${name} IS ${literal(`Counts the changes of ${plan.entity} that could not be captured.`)}`,
    );
  }
  const installed = (name: string) => state.functions.find((candidate) => candidate.name === name);
  const differing = objects.functions.filter((wanted) => !fits(installed(wanted.name), wanted));
  statements.push(...functionStatements(differing, installed), ...executionStatements(objects.functions, installed));
  const before = state.captures.find((capture) => capture.entity_type === plan.entity)?.record;
  if (statements.length > 0 || !before || recordDiffers(before, objects)) statements.push(objects.record);
  const here = `WHERE entity_type = ${literal(plan.entity)}`;
  // Without the record of the old table, which a look before the end of this install would hold against the new one.
  if (hasMoved(plan, state)) statements.push(`UPDATE syncd.capture SET older_rows = true, recorded = NULL ${here}`);
  // While it was only sent, what came of it was left out, and the cursor moved on.
  if (before?.direction === 'push' && plan.direction !== 'push')
    statements.push('UPDATE syncd.outlet_config SET pull_cursor = NULL');
  const former = state.formers.some(({ entity_type }) => entity_type === plan.entity);
  if (former && !hasReturned(plan, state)) statements.push(`DELETE FROM syncd.former_captures ${here}`);
  // The functions capture again: what is put aside is forgotten, and what was written meanwhile is looked for.
  if (before?.suspended_at && statements.length > 0) {
    statements.unshift(`SELECT syncd.resume_capture(${literal(plan.entity)}, 'syncd install')`);
  }
  const rights = rightsStatements(objects, state, written);
  if (rights.length > 0) steps.push({ about: `${plan.entity}: rights on ${plan.table}`, statements: rights });
  if (statements.length > 0) steps.push({ about: `${plan.entity}: ${plan.table}`, statements, asOwner: true });
  return [...steps, ...triggerSteps(objects, state)];
}

function fits(found: InstalledFunction | undefined, wanted: FunctionObject): boolean {
  return (
    found !== undefined &&
    found.owner === CAPTURE &&
    found.definer &&
    found.body === wanted.body &&
    sameSettings(found.settings, wanted.settings)
  );
}

function sameSettings(found: string[], wanted: string[]): boolean {
  const plain = (settings: string[]) =>
    settings
      .map((setting) => setting.replaceAll(/["\s]/g, '').toLowerCase())
      .sort()
      .join('\n');
  return plain(found) === plain(wanted);
}

function recordDiffers(before: Record<string, unknown>, { plan, triggerVersion }: EntityObjects): boolean {
  return (
    before.table_name !== plan.table ||
    before.direction !== plan.direction ||
    before.coalesce !== plan.coalesce ||
    before.fingerprint !== plan.fingerprint ||
    String(before.granted) !== String(grantedFor(plan)) ||
    before.trigger_version !== triggerVersion
  );
}

function triggerSteps(objects: EntityObjects, state: State): Step[] {
  const steps = new Map<string, Step>();
  for (const wanted of objects.triggers) {
    const table = qualified(wanted.member.schema, wanted.member.name);
    const found = state.triggers.find((one) => one.tableOid === wanted.member.oid && one.name === wanted.name);
    const fits = found !== undefined && found.function === wanted.function && found.row === wanted.row;
    if (fits && found.enabled) continue;
    const step = steps.get(table) ?? {
      about: `${objects.plan.entity}: triggers on ${table}`,
      statements: [],
      locks: table,
    };
    steps.set(table, step);
    if (fits) step.statements.push(`ALTER TABLE ${table} ENABLE TRIGGER ${identifier(wanted.name)}`);
    else if (found) step.statements.push(dropTrigger(found), wanted.create);
    else step.statements.push(wanted.create);
  }
  return [...steps.values()];
}

const dropTrigger = (trigger: InstalledTrigger) =>
  `DROP TRIGGER ${identifier(trigger.name)} ON ${qualified(trigger.schema, trigger.table)}`;

/** With what is needed to compare the table, should it come back. */
const leave = (entity: string) => [
  `INSERT INTO syncd.former_captures (entity_type, table_name, recorded, departed)
SELECT entity_type, table_name, recorded, departed FROM syncd.capture WHERE entity_type = ${literal(entity)}
ON CONFLICT (entity_type) DO UPDATE SET table_name = excluded.table_name, recorded = excluded.recorded, departed = excluded.departed, ended_at = excluded.ended_at`,
  `DELETE FROM syncd.capture WHERE entity_type = ${literal(entity)}`,
];

/** What an earlier configuration captured and this one does not. */
export function removalSteps(all: EntityObjects[], state: State): Step[] {
  const steps: Step[] = [];
  const wanted = all.flatMap((objects) => objects.triggers);
  const obsolete = state.triggers.filter(
    (found) => !wanted.some((one) => one.member.oid === found.tableOid && one.name === found.name),
  );
  for (const oid of new Set(obsolete.map((trigger) => trigger.tableOid))) {
    const triggers = obsolete.filter((trigger) => trigger.tableOid === oid);
    const first = triggers[0] as InstalledTrigger;
    const table = qualified(first.schema, first.table);
    steps.push({ about: `no capture on ${table} any more`, statements: triggers.map(dropTrigger), locks: table });
  }
  const functions = all.flatMap((objects) => objects.functions.map((one) => one.name));
  const unused = state.functions.map((one) => one.name).filter((name) => !functions.includes(name));
  const entities = all.map((objects) => objects.plan.entity);
  const lost = state.captures.filter((capture) => !entities.includes(capture.entity_type));
  const gone = lost.map((capture) => capture.entity_type);
  const revoked = withdrawals(all, state);
  if (revoked.length > 0) steps.push({ about: 'rights that nothing needs any more', statements: revoked });
  const sequences = all.map((objects) => objects.sequence);
  const counters = state.sequences.filter((name) => !sequences.includes(name));
  const statements = [
    ...unused.map((name) => `DROP FUNCTION ${qualified(SCHEMA, name)}()`),
    ...gone.flatMap(leave),
    ...counters.map((name) => `DROP SEQUENCE ${qualified(SCHEMA, name)}`),
  ];
  if (statements.length > 0)
    steps.push({ about: `not captured any more: ${gone.join(', ') || 'old functions'}`, statements, asOwner: true });
  return steps;
}
