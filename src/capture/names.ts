/**
 * How the objects of capture are called and how names from the configuration become identifiers. Pure. Every trigger name
 * begins with "!", so that it sorts, and therefore fires, before the POS's own triggers of the same kind.
 */
import { createHash } from 'node:crypto';
import pg from 'pg';

export const OWNER = 'syncd_owner';
/** What the triggers run as: it owns their functions and nothing else. */
export const CAPTURE = 'syncd_capture';
export const DAEMON = 'syncd';
export const SCHEMA = 'syncd';
/** The server's own role for whoever may see the sessions of others. */
export const SESSIONS = 'pg_read_all_stats';

/** The tables of the schema that the daemon writes as it likes. */
export const WRITTEN_BY_DAEMON = [
  'sync_queue',
  'entity_state',
  'sync_conflicts',
  'sync_logs',
  'daemon',
  'commands',
  'truncations',
  'inbox',
  'incoming',
  'clock_offsets',
  'put_away',
  'backfills',
  'disk_readings',
  'samples',
  'outages',
  'alerts',
  'alert_messages',
  'proofs',
];

/** The functions of the schema that the daemon calls. */
export const CALLED_BY_DAEMON = [
  'wake()',
  'table_shape(oid, boolean)',
  'departed(text)',
  'may_name(text, text[])',
  'suspend_capture(text, text, text)',
  'resume_capture(text, text)',
];

/** The transition tables; nothing else in a generated function carries these names. */
export const OLD_ROWS = 'syncd_old';
export const NEW_ROWS = 'syncd_new';

export type CaptureEvent = 'insert' | 'update' | 'delete' | 'truncate';
export const EVENTS: CaptureEvent[] = ['insert', 'update', 'delete', 'truncate'];

export const identifier = (name: string): string => pg.escapeIdentifier(name);
export const literal = (text: string): string => pg.escapeLiteral(text);
export const qualified = (schema: string, name: string): string => `${identifier(schema)}.${identifier(name)}`;

export const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

export const triggerName = (event: CaptureEvent): string => `!syncd ${event}`;
export const functionName = (entity: string, event: CaptureEvent): string => `capture_${slug(entity)}_${event}`;
export const failuresName = (entity: string): string => `failures_${slug(entity)}`;

/** An entity's name as part of an identifier: itself where it is plain and short, else made so, with a digest against collisions. */
function slug(entity: string): string {
  if (/^[a-z][a-z0-9_]{0,36}$/.test(entity)) return entity;
  const plain = entity
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .slice(0, 28);
  return `${plain}_${digest(entity).slice(0, 8)}`;
}

/** A table's or column's name as SQL reads it: parts between dots, folded to lower case unless quoted. */
export function parseName(text: string): string[] | undefined {
  const part = /\s*(?:"((?:[^"]|"")+)"|([A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*))\s*(\.|$)/y;
  const parts: string[] = [];
  for (let more = true; more; ) {
    const found = part.exec(text);
    if (!found) return undefined;
    parts.push(found[1] === undefined ? (found[2] as string).toLowerCase() : found[1].replaceAll('""', '"'));
    more = found[3] === '.';
  }
  return parts;
}

/** A column as syncd.yaml names it: as SQL reads it, or as it stands where SQL reads no name in it (`Kasir #`). */
export const columnName = (written: string): string => parseName(written)?.[0] ?? written;

/** Schema and table; a table without a schema stands in `public`. */
export function parseTable(text: string): { schema: string; name: string } | undefined {
  const parts = parseName(text);
  if (parts?.length === 1) return { schema: 'public', name: parts[0] as string };
  if (parts?.length === 2) return { schema: parts[0] as string, name: parts[1] as string };
  return undefined;
}
