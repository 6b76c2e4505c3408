/** What an install gives the daemon's role and writes down in syncd.capture, so that it can be taken back one day. Pure. */
import { identifier, qualified } from './names.js';
import type { EntityPlan } from './plan.js';

/** What the daemon's role is given for an entity, as GRANT wants it named. */
export function grantedFor(plan: Pick<EntityPlan, 'root' | 'written' | 'typeSchemas'>): string[] {
  const targets = new Set(plan.typeSchemas.map((schema) => `SCHEMA ${identifier(schema)}`));
  const add = (kind: 'TABLE' | 'SEQUENCE', { schema, name }: { schema: string; name: string }) =>
    targets.add(`${kind} ${qualified(schema, name)}`).add(`SCHEMA ${identifier(schema)}`);
  add('TABLE', plan.root);
  for (const table of plan.written) {
    add('TABLE', table);
    for (const sequence of table.sequences) add('SEQUENCE', sequence);
  }
  return [...targets].sort();
}
