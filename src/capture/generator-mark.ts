/**
 * Names the way in which this program, under these settings, writes triggers: it changes with the generated text and with nothing
 * else. Pure. Install writes it down; where it differs from the running program's, the triggers are of an older one.
 */
import type { Settings } from '../config/settings.js';
import { digest } from './names.js';
import { objectsOf } from './objects.js';
import { pinsFor } from './pins.js';
import type { EntityPlan } from './plan.js';
import type { Recipe } from './recipe.js';
import type { Member, Part } from './shape.js';

const ROOT = { schema: 'public', name: 'sample', oid: '1' };
const MEMBER: Member = {
  ...ROOT,
  kind: 'r',
  depth: 0,
  partition: false,
  owner: 'sample',
  mayTrigger: true,
  owned: true,
};
const TYPES = ['int4', 'text', 'float8', 'bytea', 'interval', 'timestamptz', 'date', 'money', 'regclass'];

export function generatorMark({ notify, on_error }: Settings['capture']): string {
  const parts = TYPES.map(
    (name): Part => ({ schema: 'pg_catalog', name, kind: 'b', builtin: true, inText: false, castToJson: false }),
  );
  const plain: Recipe = {
    entity: 'sample',
    keys: [{ name: 'id', iso: false, exact: true, equals: 'OPERATOR(pg_catalog.=)' }],
    excluded: [],
    keepPrevious: false,
    level: 'statement',
    rereadFrom: undefined,
    rereadAlways: false,
    pins: pinsFor([...parts, ...parts.map((part) => ({ ...part, inText: true }))]),
    notify,
    onError: on_error,
    failures: 'syncd.failures_sample',
  };
  const composite: Recipe = {
    ...plain,
    keys: [...plain.keys, { name: 'day', iso: true, exact: false, equals: 'OPERATOR(pg_catalog.=)' }],
    excluded: ['secret'],
    excludedAt: { oid: ROOT.oid, table: ROOT.name, numbers: [3] },
    keepPrevious: true,
  };
  const recipes = [plain, composite].flatMap((recipe): Recipe[] => [
    recipe,
    { ...recipe, rereadFrom: 'public.sample' },
    { ...recipe, rereadFrom: 'public.sample', rereadAlways: true },
    { ...recipe, level: 'row' },
    { ...recipe, level: 'row', rereadFrom: 'public.sample' },
  ]);
  return digest(recipes.map((recipe) => objectsOf(planOf(recipe)).triggerVersion).join()).slice(0, 16);
}

function planOf(recipe: Recipe): EntityPlan {
  return {
    entity: recipe.entity,
    table: 'public.sample',
    root: ROOT,
    direction: 'both',
    bypassesPolicies: false,
    typeSchemas: [],
    coalesce: false,
    recipe,
    fingerprint: '',
    members: [MEMBER],
    written: [],
  };
}
