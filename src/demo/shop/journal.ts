/**
 * The till's own account of what it committed, kept by the till itself and not by syncd: the truth that the cloud's ledger is
 * held against. An entry is written only after its COMMIT has returned, so a rolled-back sale leaves none.
 */
import type { Operation } from '../../cloud/wire.js';

/** One row that a committed transaction changed. */
export type JournalEntry = { tx: string; entity_type: string; entity_id: string; operation: Operation };

/** Notes one changed row of the transaction under way; several key columns make a composite id. */
export type Note = (operation: Operation, entity_type: string, ...key: string[]) => void;

/** An entity's id as the wire writes it: the key's text, or a JSON array of texts. */
export function entityId(key: string[]): string {
  return key.length === 1 ? (key[0] as string) : JSON.stringify(key);
}
