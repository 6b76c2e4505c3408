/**
 * The one change to the cloud that comes from head office. An edit is one journal line and then the memory, like a push; its row
 * stays the text that it was given as.
 */
import type { Operation } from '../../cloud/wire.js';
import type { Cloud } from './exchange.js';
import type { EditLine } from './journal.js';
import type { EntityRecord } from './records.js';
import { Refusal } from './refusal.js';
import { isObject, layOver, namesOf } from './text.js';

/**
 * What head office changes. `data` is the whole row as JSON text, null deletes; `patch` is a JSON object whose members are laid
 * over the row that is there. The outlet is left out for a shared type.
 */
export type Edit = {
  outlet_id?: string;
  entity_type: string;
  entity_id: string;
  operation?: Operation;
  data?: string | null;
  patch?: string;
  /** When it was made; missing: now. */
  updated_at?: string;
};

/**
 * One version above whatever is there, tombstones included; makes the entity where it is missing.
 * @throws Refusal for an edit that has no one meaning, and for a patch on what is not there.
 */
export function applyEdit({ state, journal }: Cloud, edit: Edit): EntityRecord {
  const { entity_type, entity_id, updated_at } = edit;
  const outlet_id = state.isShared(entity_type) ? null : (edit.outlet_id ?? null);
  const before = state.entity(state.keyOf(outlet_id ?? '', entity_type, entity_id));
  const at = new Date().toISOString();
  const line: EditLine = {
    kind: 'edit',
    at,
    outlet_id,
    entity_type,
    entity_id,
    cloud_version: (before?.cloud_version ?? 0) + 1,
    changed_fields: edit.patch === undefined ? null : namesOf(objectText(edit.patch)),
    data: rowAfter(edit, before?.data ?? null),
    updated_at: updated_at ?? at,
  };
  journal.append(line);
  return state.edit(line);
}

function rowAfter({ operation, data, patch }: Edit, before: string | null): string | null {
  if (operation === 'delete' || (operation === undefined && data === null)) {
    if ((data ?? null) === null && patch === undefined) return null;
    throw new Refusal(400, 'edit', 'a delete carries no row');
  }
  if (patch === undefined) {
    if (typeof data === 'string') return objectText(data);
    throw new Refusal(400, 'edit', 'an edit needs data, the whole row as text, or a patch');
  }
  if (data !== undefined) throw new Refusal(400, 'edit', 'an edit has either data or a patch');
  if (before === null) throw new Refusal(404, 'edit', 'there is no row to lay the patch over');
  return layOver(before, objectText(patch));
}

function objectText(text: string): string {
  if (isObject(text)) return text;
  throw new Refusal(400, 'edit', 'a row must be the text of a JSON object');
}
