/**
 * References between entities, as head office configures them: which columns of a row name which parent. Pure.
 */
import { scalarOf } from './text.js';

/** By child type. `{ order_item: [{ columns: ['order_id'], type: 'order' }] }` */
export type References = Record<string, readonly Reference[]>;
type Reference = { columns: readonly string[]; type: string };

export type Parent = { type: string; id: string };

/** The parents that a row names. A reference with a null in it names none, as in SQL. */
export function parentsOf(references: References, type: string, data: string | null): Parent[] {
  const parents: Parent[] = [];
  if (data === null) return parents;
  for (const { columns, type: parent } of Object.hasOwn(references, type) ? (references[type] ?? []) : []) {
    const texts = columns.map((column) => scalarOf(data, column));
    if (texts.some((text) => text === null)) continue;
    parents.push({ type: parent, id: texts.length === 1 ? (texts[0] ?? '') : JSON.stringify(texts) });
  }
  return parents;
}
