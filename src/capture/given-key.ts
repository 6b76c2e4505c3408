/**
 * An entity's id as a person or a program gives it, held against the key of its table. What cannot be one of this key's is told
 * together with what one looks like.
 */
import { type RawBuilder, sql } from 'kysely';
import { SyncError } from '../errors.js';
import { keyTexts, type TypedKey } from './keys.js';
import { identifier } from './names.js';

/** The key's texts, in key order. @throws SyncError `usage` where the id is of another number of columns */
export function givenParts(keys: readonly TypedKey[], id: string): string[] {
  const parts = keyTexts(keys, id);
  if (parts) return parts;
  throw new SyncError('usage', `${id} names no row: the key has ${keys.length} columns`, {
    hint: `Give a JSON array of texts in key order (${keys.map(({ name }) => name).join(', ')}), '["7","2"]' say.`,
  });
}

/** The columns of the key with these texts as their values, for a SELECT; Postgres answers class 22 where one cannot be read so. */
export function typedParts(keys: readonly TypedKey[], parts: readonly string[]): RawBuilder<unknown> {
  return sql.join(
    keys.map(({ name, type }, place) => sql`${parts[place]}::${sql.raw(type)} AS ${sql.raw(identifier(name))}`),
  );
}

/** What is told where Postgres has answered class 22. */
export function notAKey(keys: readonly TypedKey[], entityType: string, id: string): SyncError {
  const types = keys.map(({ name, type }) => `${name} ${type}`).join(', ');
  return new SyncError('usage', `${id} cannot be a key of ${entityType}`, { hint: `The key is ${types}.` });
}
