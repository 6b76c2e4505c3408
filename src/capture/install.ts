/**
 * Makes the database match the configuration. Reads everything first and refuses with all issues at once; only then it changes,
 * step by step, each its own transaction, so that no sale waits longer than one lock time-out. A crash in between leaves some
 * tables captured and others not; the same command again does what is missing.
 */
import { sql } from 'kysely';
import type pg from 'pg';
import type { Settings } from '../config/settings.js';
import { openClient, openDb } from '../db/connect.js';
import { databaseError } from '../db/database-error.js';
import { type Applied, migrate, pendingMigrations, readMigrations, type SqlFile } from '../db/migrate.js';
import { findPrimary } from '../db/primary.js';
import { LOCK_CLASS, LOCKS } from '../db/schema.js';
import { type Drifts, readDrifts, recordSteps, returnedSince } from '../drift/repair.js';
import { SyncError } from '../errors.js';
import { captureAdmission, policySteps, strangersSteps } from './capture-role.js';
import { eventTriggerFault } from './event-triggers.js';
import { introspect, introspectWritten } from './introspect.js';
import { hasMoved, hasReturned } from './moved.js';
import { OWNER, parseTable, SCHEMA } from './names.js';
import { objectsOf } from './objects.js';
import { capturedAnew, nothingBefore, withRows } from './older-rows.js';
import { type Plan, planCapture } from './plan.js';
import { readState } from './read-state.js';
import { backupNotice, publicationNotice, refuseStrangers, rightsIssues } from './rights.js';
import { printStep, runStep } from './run-step.js';
import type { TableShape, Written } from './shape.js';
import type { State } from './state.js';
import type { Step } from './step.js';
import { admission, entitySteps, foundationSteps, outletSteps, removalSteps, sessionsSteps } from './steps.js';
import { connectionSteps } from './table-rights.js';

export type InstallOptions = {
  /** A role that may create roles and triggers: rights that the daemon must not have. */
  adminUrl: string;
  settings: Settings;
  /** Report the SQL and change nothing. */
  dryRun?: boolean;
  /** Told every change, or with `dryRun` every statement. */
  report?: (line: string) => void;
};

export type InstallReport = {
  /** What was changed, or would be; empty where nothing was to do. */
  changes: string[];
  /** What is worth knowing and no reason to refuse. */
  notices: string[];
};

/** @throws SyncError `configuration` with every issue in its hint, `unavailable`, or `failed` after a step that did not succeed */
export async function installCapture(options: InstallOptions): Promise<InstallReport> {
  const { settings, dryRun = false, report = () => {} } = options;
  const url = await findPrimary([options.adminUrl]);
  const client = await openClient(url, { role: 'install', queryTimeoutMs: 0 }, () => {});
  try {
    await client.query('SELECT pg_advisory_lock($1, $2)', [LOCK_CLASS, LOCKS.install]);
    await refuseStrangers(client, 'install');
    const state = await readState(client);
    const shapes = await readShapes(client, settings);
    const plan = planCapture(settings, shapes, await readWritten(client, settings));
    const objects = plan.entities.map(objectsOf);
    const issues = [...plan.issues, ...rightsIssues(state, objects)];
    if (issues.length > 0) throw refusal(issues);
    const pending = pendingMigrations(readMigrations(), await readApplied(client));

    const written = new Set(plan.entities.flatMap((entity) => entity.written.map((table) => table.oid)));
    const foundation = foundationSteps(state);
    const fresh = foundation.length > 0 || pending.length > 0;
    const made = objects.map((one) => ({ entity: one.plan.entity, steps: entitySteps(one, state, written) }));
    const touched = new Set(made.filter(({ steps }) => steps.length > 0).map(({ entity }) => entity));
    const drifts = await driftsOf(url, state, plan, settings);
    const rest = [
      ...(fresh || !state.daemonAdmitted ? [admission()] : []),
      ...(fresh || !state.captureRole.admitted ? [captureAdmission(state.sequences)] : []),
      ...strangersSteps(state),
      ...connectionSteps(state),
      ...sessionsSteps(state),
      ...outletSteps(settings, state),
      ...policySteps(objects, state),
      ...made.flatMap(({ steps }) => steps),
      ...removalSteps(objects, state),
      ...recordSteps(objects, touched, drifts, settings),
    ];
    const changes = [...foundation, ...pending.map(migrationStep), ...rest].map((step) => step.about);
    const anew = capturedAnew(plan.entities, state);
    if (state.schemaOwner === undefined)
      plan.notices.push(...(await backupNotice(client, objects)), ...(await publicationNotice(client)));
    if (dryRun) {
      const filled = await withRows(client, anew);
      const after = nothingBefore(anew, filled);
      for (const step of [...foundation, ...pending.map(migrationStep), ...rest, ...after]) printStep(step, report);
      return { changes, notices: [...plan.notices, ...olderNotice(filled), ...outgrownNotice(drifts)] };
    }
    for (const step of foundation) await runStep(client, step, report);
    if (pending.length > 0) await applyMigrations(url, report);
    for (const step of rest) await runStep(client, step, report);
    const filled = await withRows(client, anew);
    for (const step of nothingBefore(anew, filled)) await runStep(client, step, report);
    return { changes, notices: [...plan.notices, ...olderNotice(filled), ...outgrownNotice(drifts)] };
  } catch (error) {
    throw databaseError(error, url);
  } finally {
    await client.end().catch(() => {});
  }
}

/** Whoever installs into a shop that sells already has to know that its older sales go nowhere by themselves. */
function olderNotice(filled: string[]): string[] {
  if (filled.length === 0) return [];
  return [`the rows that ${filled.join(', ')} had before are not sent until: sudo -u syncd syncd backfill`];
}

function outgrownNotice(drifts: Drifts): string[] {
  const outgrown = [...drifts].filter(([, { outgrown }]) => outgrown).map(([entity]) => entity);
  if (outgrown.length === 0) return [];
  return [
    `rows of ${outgrown.join(', ')} that nobody writes to stay in the cloud as they were before the change, until: sudo -u syncd syncd backfill ${outgrown.join(' ')}`,
  ];
}

function refusal(issues: string[]): SyncError {
  const count = issues.length === 1 ? 'one thing is' : `${issues.length} things are`;
  return new SyncError('configuration', `nothing was changed: ${count} in the way`, { hint: issues.join('\n') });
}

/** None where drift was not watched yet, or was of another table: then everything is written down. */
async function driftsOf(url: string, state: State, { entities }: Plan, settings: Settings): Promise<Drifts> {
  const returned = entities.filter((plan) => hasReturned(plan, state)).map(({ entity }) => entity);
  const back = state.formers.filter(({ entity_type }) => returned.includes(entity_type));
  const brought = back.map(({ entity_type, record }) => [entity_type, returnedSince(String(record.ended_at))] as const);
  if (!state.captures.some(({ record }) => 'recorded' in record)) return new Map(brought);
  const db = openDb(url, { role: 'install' });
  try {
    const moved = new Set(entities.filter((plan) => hasMoved(plan, state)).map(({ entity }) => entity));
    const found = [...(await readDrifts(db, settings, entities))].filter(([entity]) => !moved.has(entity));
    return new Map([...found, ...brought]);
  } finally {
    await db.destroy();
  }
}

async function readShapes(client: pg.Client, settings: Settings): Promise<Map<string, TableShape | undefined>> {
  const shapes = new Map<string, TableShape | undefined>();
  for (const [entity, { table }] of settings.entities) {
    const name = parseTable(table);
    shapes.set(entity, name && (await introspect(client, name.schema, name.name)));
  }
  return shapes;
}

async function readWritten(client: pg.Client, settings: Settings): Promise<Map<string, Written | undefined>> {
  const written = new Map<string, Written | undefined>();
  for (const { table, also_writes, direction } of settings.entities.values()) {
    for (const one of direction === 'push' ? [] : [table, ...also_writes]) {
      const name = parseTable(one);
      written.set(one, name && (await introspectWritten(client, name.schema, name.name)));
    }
  }
  return written;
}

async function readApplied(client: pg.Client): Promise<Applied[]> {
  const { rows } = await client.query<{ there: boolean }>(
    "SELECT to_regclass('syncd.migrations') IS NOT NULL AS there",
  );
  if (!rows[0]?.there) return [];
  return (await client.query<Applied>('SELECT name, checksum FROM syncd.migrations ORDER BY name')).rows;
}

function migrationStep(file: SqlFile): Step {
  return { about: `migration ${file.name}`, statements: [file.text.trimEnd().replace(/;$/, '')], asOwner: true };
}

/** On a connection of its own, since Kysely's Migrator wants a Kysely; everything it makes belongs to the owner. */
async function applyMigrations(url: string, report: (line: string) => void): Promise<void> {
  const db = openDb(url, { role: 'migrate', queryTimeoutMs: 0 });
  try {
    // One connection in the pool: the role stays set for everything that follows.
    await sql`SET ROLE ${sql.id(OWNER)}`.execute(db);
    for (const name of await migrate(db)) report(`migration ${name}`);
  } catch (error) {
    throw eventTriggerFault(`schema ${SCHEMA}`, error) ?? error;
  } finally {
    await db.destroy();
  }
}
