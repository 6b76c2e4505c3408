/** The reasons and the warnings that stand beside a proposed table. Pure. */
import type { TableShape } from '../capture/shape.js';
import { sqlTable, writtenName } from './naming.js';
import type { ReadColumn, ReadTable } from './read.js';
import type { Effects } from './trigger-effects.js';
import { looksSecret, type Role } from './words.js';

export function notesOf(
  table: ReadTable,
  { indexes }: TableShape,
  keys: readonly string[],
  secrets: readonly ReadColumn[],
  role: Role,
): string[] {
  const notes: string[] = [];
  const hidden = secrets.map(({ name }) => name);
  if (hidden.length === 1) notes.push(`${hidden[0]} looks secret and stays in the shop`);
  if (hidden.length > 1) notes.push(`${hidden.join(', ')} look secret and stay in the shop`);
  const open = keys.filter(looksSecret);
  if (open.length > 0)
    notes.push(
      `${open.join(', ')} looks secret, but it names the rows: think about whether this table should be sent at all`,
    );
  const large = table.columns.filter(({ type, name }) => type === 'bytea' && !hidden.includes(name));
  if (large.length > 0)
    notes.push(
      `${large.map(({ name }) => name).join(', ')} is binary and may be large: exclude it if the cloud has no use for it`,
    );
  if (!indexes.some(({ primary }) => primary)) notes.push('it has no primary key; a unique index names its rows');
  if (role === 'stock') notes.push('stock: only the newest level is sent');
  return notes;
}

/** What matters where the cloud's changes are written too. */
export function incomingNotes(
  table: ReadTable,
  found: { local: string[]; levels: string[]; effects: Effects; parents: ReadTable[] },
): string[] {
  const { local, levels, effects, parents } = found;
  const notes: string[] = [];
  if (local.length > 0)
    notes.push(`${local.join(', ')} is set by a trigger here: a difference in it alone is nothing to send`);
  if (levels.length > 0)
    notes.push(
      `${levels.join(', ')} changes with every sale: delta: [${levels.map(writtenName).join(', ')}], if head office changes it too`,
    );
  const others = parents.filter(({ oid }) => oid !== table.oid);
  if (others.length > 0)
    notes.push(
      `it refers to ${others.map(sqlTable).join(', ')}, which head office does not edit: new rows from there can only use what the shop has`,
    );
  if (effects.writes.length > 0)
    notes.push('its triggers write to the tables under also_writes: syncd gets the right to do so');
  if (effects.unreadable.length > 0)
    notes.push(`trigger ${effects.unreadable.join(', ')} puts its SQL together: list what it writes under also_writes`);
  return notes;
}
