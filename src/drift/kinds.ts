/**
 * What each kind of drift amounts to: whether changes go by uncaptured, and whose changes have to wait. Pure; one readable table,
 * the gravest first. Two things make an entity wait. Pushing waits only where a captured change might be taken for another row's:
 * everything else in the queue is a true row that can go. Applying waits where nothing can be written, and where a change of the
 * shop may have gone by uncaptured: an incoming row would overwrite it, and nobody would ever know.
 */
import type { Direction } from '../config/settings.js';

export const DRIFT_KINDS = [
  'gone',
  'recreated',
  'key',
  'triggers',
  'replica_role',
  'child',
  'renamed',
  'policies',
  'required',
  'column_renamed',
  'partition',
  'detached',
  'columns',
  'configuration',
  'outdated',
] as const;
export type DriftKind = (typeof DRIFT_KINDS)[number];

type Weight = {
  /** Changes of the table may go by uncaptured. */
  misses: boolean;
  holdsPush: boolean;
  /** `both`: only where the shop writes the table too; `incoming`: wherever something comes in. */
  holdsApply: 'never' | 'both' | 'incoming';
};

const HARMLESS: Weight = { misses: false, holdsPush: false, holdsApply: 'never' };

const WEIGHTS: Record<DriftKind, Weight> = {
  gone: { misses: true, holdsPush: false, holdsApply: 'incoming' },
  recreated: { misses: true, holdsPush: false, holdsApply: 'incoming' },
  // Two rows may have one name now: sending one in place of the other would damage the cloud's.
  key: { misses: true, holdsPush: true, holdsApply: 'incoming' },
  triggers: { misses: true, holdsPush: false, holdsApply: 'both' },
  replica_role: { misses: true, holdsPush: false, holdsApply: 'both' },
  child: { misses: true, holdsPush: false, holdsApply: 'both' },
  renamed: { misses: false, holdsPush: false, holdsApply: 'incoming' },
  policies: { misses: false, holdsPush: false, holdsApply: 'incoming' },
  required: { misses: false, holdsPush: false, holdsApply: 'incoming' },
  // The cloud still sends the old name: what it brings would be dropped without a word.
  column_renamed: { misses: false, holdsPush: false, holdsApply: 'incoming' },
  // What is written through the root, as applications do, is captured meanwhile: a new month must not stop the cloud's changes.
  partition: { misses: true, holdsPush: false, holdsApply: 'never' },
  detached: HARMLESS,
  columns: HARMLESS,
  configuration: HARMLESS,
  outdated: HARMLESS,
};

export type Finding = {
  kind: DriftKind;
  /** What is different, as a sentence without its full stop. */
  what: string;
  /** What that means for the shop. */
  means: string;
  /** What to type. */
  hint: string;
};

/** What is written down of an entity's findings; null where there is none. */
export type Drift = {
  kind: DriftKind;
  text: string;
  hint: string;
  misses: boolean;
  holdsPush: boolean;
  holdsApply: boolean;
};

/** The findings as one: the gravest speaks, the others are named. */
export function driftOf(findings: readonly Finding[], direction: Direction): Drift | null {
  const place = ({ kind }: Finding) => DRIFT_KINDS.indexOf(kind);
  const [first, ...others] = [...findings].sort((a, b) => place(a) - place(b));
  if (!first) return null;
  const weights = findings.map(({ kind }) => WEIGHTS[kind]);
  const also = others.map(({ what }) => `; also: ${what}`).join('');
  return {
    kind: first.kind,
    text: `${first.what}: ${first.means}${also}`,
    hint: first.hint,
    misses: direction !== 'pull' && weights.some(({ misses }) => misses),
    holdsPush: weights.some(({ holdsPush }) => holdsPush),
    holdsApply: weights.some(({ holdsApply }) =>
      holdsApply === 'both' ? direction === 'both' : holdsApply === 'incoming' && direction !== 'push',
    ),
  };
}
