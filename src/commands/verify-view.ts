/** How `syncd verify` looks: a line for each type, what differs in words and by name, and what to type. Pure. */
import { count, wrapped } from '../ops/status/words.js';
import type { Difference, DifferenceKind } from '../proof/difference.js';
import { courseOf, type Repaired } from '../proof/repair.js';
import type { Undecided } from '../proof/undecided.js';
import type { Proof } from '../proof/verify.js';

export type VerifyResult = { proof: Proof; repaired: Repaired | null };

const WIDTH = 80;
/** Names of one kind: JSON has them all. */
const SHOWN = 8;

const KINDS: Record<DifferenceKind, string> = {
  missing_there: 'the cloud does not have',
  older_there: 'the cloud holds an older version of',
  newer_there: 'the cloud holds a newer version of',
  unknown_here: 'the cloud has, and nothing was agreed on here,',
  other_day: 'changed here, and nobody captured it,',
};

export function verifyScreen(
  results: readonly VerifyResult[],
  { equal, running }: { equal: boolean; running: boolean },
): string {
  const wide = Math.max(...results.map(({ proof }) => proof.entity_type.length), 0) + 2;
  const lines = results.flatMap(({ proof, repaired }) => [
    `${proof.entity_type.padEnd(wide)}${summary(proof)}`,
    ...differenceLines(proof.differences),
    ...(repaired === null ? [] : [`  ${repairWords(repaired, running)}`]),
  ]);
  return [...lines, '', ...wrapped(verdict(results, equal), WIDTH)].join('\n');
}

function summary(proof: Proof): string {
  const { skipped, entities, buckets, on_the_way, differences } = proof;
  if (skipped !== null) return `not compared: ${skipped}`;
  const days = buckets > 1 ? ` in ${count(buckets, 'day')}` : '';
  const moving = on_the_way > 0 ? `, ${on_the_way.toLocaleString('en-GB')} on the way` : '';
  const outcome = differences.length === 0 ? 'the same on both sides' : `${count(differences.length, 'difference')}`;
  const undecided = undecidedWords(proof).map(({ words }) => `, ${words}`);
  return `${count(entities, 'row')}${days}: ${outcome}${moving}${undecided.join('')}`;
}

/** What waits for a person, and which command names it. */
function undecidedWords({ open_conflicts, failed, parked }: Undecided): { words: string; command: string }[] {
  const cloudChanges = `${count(parked, 'change')} of the cloud that cannot be applied`;
  return [
    ...(open_conflicts > 0 ? [{ words: count(open_conflicts, 'open conflict'), command: 'syncd conflicts' }] : []),
    ...(failed > 0 ? [{ words: count(failed, 'failed change'), command: 'syncd queue --status failed' }] : []),
    ...(parked > 0 ? [{ words: cloudChanges, command: 'syncd inbox' }] : []),
  ];
}

/** Of all types together. */
export function undecidedIn(proofs: readonly Undecided[]): Undecided {
  const sum = (of: (undecided: Undecided) => number) => proofs.reduce((total, one) => total + of(one), 0);
  return {
    open_conflicts: sum((one) => one.open_conflicts),
    failed: sum((one) => one.failed),
    parked: sum((one) => one.parked),
  };
}

/** What differs, by kind. */
export function differenceLines(differences: readonly Difference[]): string[] {
  return Object.entries(KINDS).flatMap(([kind, words]) => {
    const found = differences.filter((one) => one.kind === kind);
    if (found.length === 0) return [];
    const names = found.slice(0, SHOWN).map(nameOf);
    const more = found.length > SHOWN ? ` and ${count(found.length - SHOWN, 'other')}` : '';
    return wrapped(`${words} ${names.join(', ')}${more}`, WIDTH - 2).map((line) => `  ${line}`);
  });
}

/** `7 (version 3, not 5)`. */
function nameOf({ entity_id, here, there }: Difference): string {
  if (here === null || there === null || here === there) return entity_id;
  return `${entity_id} (version ${there}, not ${here})`;
}

function repairWords({ to_push, to_pull, left }: Repaired, running: boolean): string {
  const daemon = running ? 'the daemon' : 'the daemon, when it runs again,';
  const parts = [
    ...(to_push > 0 ? [`${daemon} compares the table and queues what the cloud lacks`] : []),
    ...(to_pull > 0 ? [`${count(to_pull, 'row')} asked of the cloud`] : []),
    ...(left > 0 ? [`${count(left, 'row')} left: nothing here can mend them`] : []),
  ];
  return parts.join('; ');
}

function verdict(results: readonly VerifyResult[], equal: boolean): string {
  const moving = results.some(({ proof }) => proof.on_the_way > 0) ? ['what is on its way'] : [];
  const undecided = undecidedWords(undecidedIn(results.map(({ proof }) => proof)));
  const excepted = [...moving, ...undecided.map(({ words, command }) => `${words} (${command})`)];
  const but = excepted.length > 0 ? `, but for ${excepted.join(' and ')}` : '';
  if (equal) return `Both sides hold the same${but}: everything that was settled is in the cloud.`;
  const left = results.every(({ proof }) =>
    proof.differences.every((one) => courseOf(proof.direction, one).how === 'left'),
  );
  if (left && results.some(({ proof }) => proof.differences.length > 0))
    return 'The two sides differ, and nothing here can mend it: the rows were put away or never were here, or the type is only pulled. The team of the cloud can.';
  if (results.some(({ repaired }) => repaired !== null))
    return 'What differed is being mended. Once syncd status shows nothing waiting, compare again: syncd verify';
  const differ = results.some(({ proof }) => proof.differences.length > 0);
  return differ
    ? 'The two sides differ. To have it mended: syncd verify --repair'
    : 'What was compared is the same on both sides; the rest could not be compared.';
}
