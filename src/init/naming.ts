/** How a table is called in syncd.yaml: its name as SQL reads it, and its entity's name. Pure. */
import { identifier } from '../capture/names.js';
import { wordsOf } from './spelling.js';

/** In quotes only where SQL would read it as something else. */
export function writtenName(name: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(name) ? name : identifier(name);
}

export function sqlTable({ schema, name }: { schema: string; name: string }): string {
  return `${writtenName(schema)}.${writtenName(name)}`;
}

/** `public."Order Lines"` is `order_line`; where that is taken the schema comes in front, or a number behind. */
export function named({ schema, name }: { schema: string; name: string }, taken: ReadonlySet<string>): string {
  const plain = (text: string) =>
    wordsOf(text)
      .join('_')
      .normalize('NFKD')
      .replaceAll(/[^a-z0-9_]/g, '');
  const last = plain(name);
  const base = (/^[a-z]/.test(last) ? last : `t_${last}`).slice(0, 60);
  const candidates = [base, `${plain(schema)}_${base}`.slice(0, 60)].filter((one) => /^[a-z]/.test(one));
  const free = candidates.find((one) => !taken.has(one));
  if (free !== undefined) return free;
  for (let number = 2; ; number++) if (!taken.has(`${base}_${number}`)) return `${base}_${number}`;
}
