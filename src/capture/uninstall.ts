/**
 * Takes capture away again: triggers table by table, then the schema with everything in it, then the roles that install made.
 * Refuses while changes wait. A crash in between leaves a part standing; the same command again takes away the rest.
 */
import type pg from 'pg';
import { openClient } from '../db/connect.js';
import { databaseError } from '../db/database-error.js';
import { findPrimary } from '../db/primary.js';
import { LOCK_CLASS, LOCKS } from '../db/schema.js';
import { codeOf, SyncError } from '../errors.js';
import { CAPTURE, DAEMON, identifier, OWNER, SCHEMA } from './names.js';
import { readState } from './read-state.js';
import { refuseStrangers } from './rights.js';
import { printStep, runStep } from './run-step.js';
import type { State } from './state.js';
import type { Step } from './step.js';
import { removalSteps } from './steps.js';

export type UninstallOptions = {
  adminUrl: string;
  /** Throw away what has not reached the cloud. */
  discardPending?: boolean;
  dryRun?: boolean;
  report?: (line: string) => void;
};

export type UninstallReport = {
  changes: string[];
  /** What had to stay, and why. */
  notices: string[];
};

/** @throws SyncError `failed` while changes wait, `configuration` where rights are missing, `unavailable` */
export async function uninstallCapture(options: UninstallOptions): Promise<UninstallReport> {
  const { discardPending = false, dryRun = false, report = () => {} } = options;
  const url = await findPrimary([options.adminUrl]);
  const client = await openClient(url, { role: 'uninstall', queryTimeoutMs: 0 }, () => {});
  try {
    await client.query('SELECT pg_advisory_lock($1, $2)', [LOCK_CLASS, LOCKS.install]);
    await refuseStrangers(client, 'uninstall');
    const state = await readState(client);
    refuseUnlessAllowed(state);
    await refuseWhileLeantOn(client);
    if (!discardPending) await refuseWhilePending(client, state);
    await refuseWhileUsed(client);
    const steps = [...triggerRemoval(state), ...schemaRemoval(state)];
    const changes = steps.map((step) => step.about);
    if (dryRun) {
      for (const step of steps) printStep(step, report);
      return { changes, notices: [] };
    }
    for (const step of steps) await runStep(client, step, report);
    const { dropped, notices } = await dropRoles(client, state, report);
    return { changes: [...changes, ...dropped], notices };
  } catch (error) {
    throw databaseError(error, url);
  } finally {
    await client.end().catch(() => {});
  }
}

function refuseUnlessAllowed(state: State): void {
  if (state.schemaOwner !== undefined && state.schemaOwner !== OWNER) {
    throw new SyncError(
      'configuration',
      `nothing was changed: schema ${SCHEMA} belongs to ${state.schemaOwner}, not to syncd`,
    );
  }
  if (state.superuser) return;
  const issues = state.triggers
    .filter((trigger) => !trigger.owned)
    .map((trigger) => `only the owner of ${trigger.schema}.${trigger.table} may drop its triggers`);
  const owner = state.roles.find((role) => role.name === OWNER);
  if (owner && !owner.usable) issues.push(`${state.user} is no member of ${OWNER}`);
  if (issues.length === 0) return;
  throw new SyncError('configuration', `nothing was changed: ${state.user} lacks rights`, {
    hint: [...new Set(issues), 'Use --admin-url with a role that has them.'].join('\n'),
  });
}

async function refuseWhilePending(client: pg.Client, state: State): Promise<void> {
  if (state.schemaOwner === undefined) return;
  const { rows: there } = await client.query("SELECT to_regclass('syncd.sync_queue') IS NOT NULL AS there");
  if (!there[0]?.there) return;
  const { rows } = await client.query<{ waiting: string }>(
    "SELECT count(*)::text AS waiting FROM syncd.sync_queue WHERE status <> 'synced'",
  );
  const waiting = rows[0]?.waiting ?? '0';
  if (waiting === '0') return;
  const changes = waiting === '1' ? 'one change has' : `${waiting} changes have`;
  throw new SyncError('failed', `nothing was changed: ${changes} not reached the cloud`, {
    hint: 'Let the daemon send them (syncd status), or lose them for good: syncd uninstall --discard-pending',
  });
}

/** What of the POS's would go with the schema: a view that shows a lamp at the till, say. */
const LEANING = `
  WITH ours AS (
    SELECT 'pg_class'::regclass AS class, oid FROM pg_class WHERE relnamespace = to_regnamespace($1)
    UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace = to_regnamespace($1)
    UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type WHERE typnamespace = to_regnamespace($1)
  ), leaning AS (
    SELECT DISTINCT CASE WHEN d.classid IN ('pg_proc'::regclass, 'pg_type'::regclass) THEN d.classid ELSE 'pg_class'::regclass END AS class,
      CASE d.classid WHEN 'pg_rewrite'::regclass THEN (SELECT ev_class FROM pg_rewrite WHERE oid = d.objid)
                     WHEN 'pg_attrdef'::regclass THEN (SELECT adrelid FROM pg_attrdef WHERE oid = d.objid)
                     WHEN 'pg_policy'::regclass THEN (SELECT polrelid FROM pg_policy WHERE oid = d.objid)
                     WHEN 'pg_constraint'::regclass THEN (SELECT conrelid FROM pg_constraint WHERE oid = d.objid)
                     ELSE d.objid END AS oid
    FROM pg_depend d JOIN ours o ON o.class = d.refclassid AND o.oid = d.refobjid
    WHERE d.classid IN ('pg_rewrite'::regclass, 'pg_attrdef'::regclass, 'pg_policy'::regclass, 'pg_constraint'::regclass,
                        'pg_class'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass)
  )
  SELECT pg_describe_object(l.class, l.oid, 0) AS what FROM leaning l
  WHERE l.oid <> 0 AND NOT EXISTS (SELECT FROM ours o WHERE o.class = l.class AND o.oid = l.oid)
    AND NOT EXISTS (SELECT FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace AND n.nspname LIKE 'pg\\_%'
                    WHERE l.class = 'pg_type'::regclass AND t.oid = l.oid)
    AND NOT EXISTS (SELECT FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname LIKE 'pg\\_%'
                    WHERE l.class = 'pg_class'::regclass AND t.oid = l.oid) ORDER BY 1`;

async function refuseWhileLeantOn(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ what: string }>(LEANING, [SCHEMA]);
  if (rows.length === 0) return;
  const what = rows.map((row) => row.what).join(', ');
  throw new SyncError('failed', `nothing was changed: ${what} would be dropped with the schema ${SCHEMA}`, {
    hint: 'It uses something of syncd, and is none of it. Have the POS do without, drop it or define it anew, then run the same command again.',
  });
}

/** A running daemon would only see its tables vanish. */
async function refuseWhileUsed(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ pid: number }>(
    `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND objid = $2 AND granted
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [LOCK_CLASS, LOCKS.leader],
  );
  if (rows.length === 0) return;
  throw new SyncError('failed', 'nothing was changed: a daemon is running on this database', {
    hint: 'Stop it first: systemctl stop syncd',
  });
}

function triggerRemoval(state: State): Step[] {
  const steps = removalSteps([], state).filter((step) => step.locks !== undefined);
  return steps.map((step) => ({ ...step, about: `triggers on ${step.locks}` }));
}

function schemaRemoval(state: State): Step[] {
  const steps: Step[] = [];
  const rights = state.grants
    .filter((grant) => [OWNER, CAPTURE, DAEMON].includes(grant.grantee))
    .map((grant) => `REVOKE ALL ON ${grant.target} FROM ${grant.grantee}`);
  if (rights.length > 0)
    steps.push({ about: `rights of ${OWNER}, ${CAPTURE} and ${DAEMON}`, statements: [...new Set(rights)] });
  if (state.schemaOwner !== undefined) {
    steps.push({ about: `schema ${SCHEMA}`, statements: [`DROP SCHEMA ${SCHEMA} CASCADE`], asOwner: true });
  }
  return steps;
}

/** Only the roles that install made, and only where no other database of the server uses them. */
async function dropRoles(client: pg.Client, state: State, report: (line: string) => void) {
  const dropped: string[] = [];
  const notices: string[] = [];
  for (const role of state.roles) {
    if (!role.ours) {
      notices.push(`role ${role.name} stays: it was there before syncd`);
      continue;
    }
    try {
      await client.query(`DROP ROLE ${identifier(role.name)}`);
      dropped.push(`role ${role.name}`);
      report(`role ${role.name}`);
    } catch (error) {
      // 2BP01: other objects depend on it. 42501: not ours to drop.
      if (!['2BP01', '42501'].includes(codeOf(error) ?? '')) throw error;
      const why =
        codeOf(error) === '42501' ? `${state.user} may not drop it` : `something else uses it${usersOf(error)}`;
      notices.push(`role ${role.name} stays: ${why}`);
    }
  }
  return { dropped, notices };
}

/** `: privileges for table thing` or `: 2 objects in database other`, as PostgreSQL names the first of them. */
function usersOf(error: unknown): string {
  const detail = error instanceof Error && 'detail' in error ? String(error.detail ?? '') : '';
  return detail === '' ? '' : `: ${detail.split('\n')[0]}`;
}
