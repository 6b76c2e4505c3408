/**
 * Lets the triggers of captured tables step aside, and capture again: while a POS upgrade rewrites whole tables, or the disk has no
 * room for the queue. The bodies are exchanged by functions of their owner; no table is locked and no sale waits. What is written
 * meanwhile is found by a comparison that `resume_capture` asks for in the same transaction.
 */
import { sql } from 'kysely';
import type { Db } from '../db/connect.js';
import { INSTALL, SyncError } from '../errors.js';
import { requester } from '../queue/manage.js';
import { eventTriggerFault } from './event-triggers.js';

/** All captured tables where none is named. @returns those whose triggers have stepped aside now */
export function suspendCapture(db: Db, named: readonly string[], who: string, reason: string): Promise<string[]> {
  return change(
    db,
    'suspend capture',
    named,
    who,
    reason,
    (entity) => sql`SELECT syncd.suspend_capture(${entity}, ${who}, ${reason}) AS done`,
  );
}

/**
 * All suspended tables where none is named.
 * @param only those that this one has suspended
 * @returns those whose triggers capture again
 */
export function resumeCapture(db: Db, named: readonly string[], who: string, only?: string): Promise<string[]> {
  return change(db, 'resume capture', named, who, undefined, (entity) =>
    only === undefined
      ? sql`SELECT syncd.resume_capture(${entity}, ${who}) AS done`
      : sql`SELECT syncd.resume_capture(entity_type, ${who}) AS done FROM syncd.capture WHERE entity_type = ${entity} AND suspended_by = ${only}`,
  );
}

async function change(
  db: Db,
  command: string,
  named: readonly string[],
  who: string,
  reason: string | undefined,
  statement: (entity: string) => ReturnType<typeof sql>,
): Promise<string[]> {
  const work = db.transaction().execute(async (trx) => {
    const done: string[] = [];
    for (const entity of await capturedEntities(trx, named)) {
      const { rows } = await (statement(entity) as ReturnType<typeof sql<{ done: boolean }>>).execute(trx);
      if (rows[0]?.done === true) done.push(entity);
    }
    if (done.length > 0)
      await sql`
        INSERT INTO syncd.commands (command, args, requested_by, finished_at, outcome)
        VALUES (${command}, json_build_object('entities', ${JSON.stringify(done)}::json, 'reason', ${reason ?? null}::text),
                ${requester(who)}, clock_timestamp(), ${`${done.join(', ')}`})`.execute(trx);
    return done;
  });
  return work.catch((error: unknown) => {
    throw eventTriggerFault(command, error) ?? error;
  });
}

/**
 * The captured entity types, in a fixed order so that two who do this at once do not wait for each other; all where none is named.
 * @throws SyncError `usage` for one that is not captured
 */
export async function capturedEntities(db: Db, named: readonly string[]): Promise<string[]> {
  const rows = await db
    .selectFrom('syncd.capture')
    .select('entity_type')
    .where('direction', '<>', 'pull')
    .orderBy('entity_type')
    .execute();
  const known = rows.map((row) => row.entity_type);
  const unknown = named.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new SyncError('usage', `not captured: ${unknown.join(', ')}`, {
      hint: known.length > 0 ? `Captured are: ${known.join(', ')}.` : `Run: ${INSTALL}`,
    });
  }
  return named.length === 0 ? known : known.filter((name) => named.includes(name));
}
