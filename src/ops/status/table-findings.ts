/** What is wrong with capturing, comparing and the disk, for the verdict; and how it is told on the screen. Pure. */
import { bytes } from '../disk-forecast.js';
import type { Finding } from './finding.js';
import type { Facts, SuspendedFacts, WalkFacts } from './read.js';
import { age, count, relative } from './words.js';

const DAY_MS = 86_400_000;

/** A missed change is a missing sale until its table was compared: then it is told as found again, and nothing is wrong. */
export function missedFindings({ capture, walks }: Facts): Finding[] {
  const missed = capture.filter(({ failures }) => failures > 0);
  if (missed.length === 0) return [];
  const failures = missed.reduce((sum, one) => sum + one.failures, 0);
  const names = missed.map(({ entity_type }) => entity_type).join(', ');
  const comparing = missed.every(({ entity_type }) =>
    walks.some((walk) => walk.entity_type === entity_type && walk.kind === 'reconcile' && walk.error === null),
  );
  const next = comparing ? '; the daemon compares the tables and queues what is missing' : '';
  const reason = `capture failed ${count(failures, 'time')}: changes of ${names} may be missing from the queue${next}`;
  return [{ state: 'critical', topic: 'capture', reason }];
}

/** By whom and for what: mostly all tables at once. */
export function suspendedFindings({ suspended, now }: Facts): Finding[] {
  const groups = new Map<string, SuspendedFacts[]>();
  for (const one of suspended) {
    const key = `${one.by}\n${one.reason}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()].map((group): Finding => {
    const { by, reason, at } = group[0] as SuspendedFacts;
    const names = group.map(({ entity_type }) => entity_type).join(', ');
    const since = age(Math.max(0, Date.parse(now) - Date.parse(at)));
    const why = reason === null ? '' : ` (${reason})`;
    const told = `nothing of ${names} has been captured for ${since}: suspended by ${by}${why}`;
    return {
      state: 'critical',
      topic: 'suspended',
      reason: `${told}; what is sold meanwhile is looked for afterwards`,
    };
  });
}

/** A comparison that came to no end leaves a gap that nobody knows of. */
export function walkFindings({ walks }: Facts): Finding[] {
  return walks
    .filter(({ error }) => error !== null)
    .map(({ entity_type, error }) => ({
      state: 'warning',
      topic: 'compare',
      reason: `the table of ${entity_type} could not be compared with the cloud: ${error}`,
    }));
}

/** What the cloud has lost is a missing sale, whoever lost it. */
export function differenceFindings({ compared, now }: Facts): Finding[] {
  const skipped = (compared?.skipped ?? []).map(
    ({ entity_type, reason }): Finding => ({
      state: 'warning',
      topic: 'differs',
      reason: `${entity_type} could not be compared with the cloud's: ${reason}`,
    }),
  );
  const differing = (compared?.differing ?? []).map(({ entity_type, at, differences, lost }): Finding => {
    const ago = `compared ${relative(at, now)}`;
    return lost > 0
      ? {
          state: 'critical',
          topic: 'differs',
          reason: `the cloud had lost ${count(lost, 'row')} of ${entity_type} that it had accepted (${ago})`,
        }
      : {
          state: 'warning',
          topic: 'differs',
          reason: `${count(differences, 'row')} of ${entity_type} differed from the cloud's (${ago})`,
        };
  });
  return [...differing, ...skipped];
}

/** Rows that the cloud had accepted and does not keep. */
export const lostRows = ({ compared }: Pick<Facts, 'compared'>): number =>
  (compared?.differing ?? []).reduce((sum, { lost }) => sum + lost, 0);

/** `12 h ago, no differences`. */
export function comparedWords({ compared, now }: Facts): string | undefined {
  if (compared === null) return undefined;
  const differences = compared.differing.reduce((sum, one) => sum + one.differences, 0);
  const beyond =
    compared.beyond_repair === 0 ? '' : `; ${count(compared.beyond_repair, 'row')} that nothing here can mend`;
  return `with the cloud ${relative(compared.at, now)}, ${differences === 0 ? 'no differences' : count(differences, 'difference')}${beyond}`;
}

/** @param warnMs undefined: nobody watches the disk */
export function diskFindings({ disk }: Facts, warnMs: number | undefined): Finding[] {
  if (disk === null || warnMs === undefined) return [];
  const warning = (reason: string): Finding[] => [{ state: 'warning', topic: 'disk', reason }];
  if (disk.problem !== null) return warning(`the disk cannot be watched: ${disk.problem}`);
  if (disk.days_left === null || disk.days_left * DAY_MS > warnMs) return [];
  return warning(`the disk of ${disk.path} is full in ${inDays(disk.days_left)} at today's rate`);
}

const inDays = (days: number) => (days < 2 ? age(days * DAY_MS) : `${Math.floor(days)} days`);

/** `12 GB of 50 GB free, about 40 days at today's rate`. */
export function diskWords({ disk }: Facts): string | undefined {
  if (disk === null || disk.free_bytes === null || disk.total_bytes === null) return undefined;
  const left = disk.days_left === null ? '' : `, about ${inDays(disk.days_left)} at today's rate`;
  return `${bytes(disk.free_bytes)} of ${bytes(disk.total_bytes)} free${left}`;
}

/** What is under way: `order compared, 1,200 of about 9,000 rows`. */
export function walkWords({ walks }: Facts): string | undefined {
  const open = walks.filter(({ error }) => error === null);
  if (open.length === 0) return undefined;
  // One goes at a time: of those behind it the names are enough.
  const begun = open.filter(({ walked, waits_for }, i) => i === 0 || walked > 0 || waits_for !== null);
  const behind = open.filter((walk) => !begun.includes(walk)).map(({ entity_type }) => entity_type);
  return [...begun.map(walkWord), ...(behind.length > 0 ? [`then ${behind.join(', ')}`] : [])].join('; ');
}

function walkWord({ entity_type, kind, walked, estimate, waits_for }: WalkFacts): string {
  const doing = {
    backfill: 'rows from before capture',
    reconcile: 'being compared',
    delete: 'what is gone is deleted',
  };
  // Statistics lag behind: what is already more than they know of is told alone.
  const of = estimate === null || estimate < walked ? '' : ` of about ${estimate.toLocaleString('en-GB')}`;
  const far = kind === 'delete' ? '' : `, ${walked.toLocaleString('en-GB')}${of} rows`;
  return `${entity_type}: ${doing[kind]}${far}${waits_for === null ? '' : `; waits: ${waits_for}`}`;
}

/** What nobody has asked for: the shop sold before syncd came, or before the POS changed the table's columns. */
export function olderWords({ older }: Facts): string | undefined {
  if (older.length === 0) return undefined;
  return `${older.join(', ')}: what was there before capture, or before its columns were changed, is not in the cloud as it is now`;
}

/** `2 of 2 tables watched, no failures`, or what became of them. */
export function captureWords({ capture }: Facts, expected: number, healthy: number): string {
  const sum = (pick: 'failures' | 'healed') => capture.reduce((all, one) => all + one[pick], 0);
  const [failures, healed] = [sum('failures'), sum('healed')];
  const found =
    healed === 0 ? '' : `, ${healed.toLocaleString('en-GB')} earlier ${healed === 1 ? 'one' : 'ones'} found again`;
  return `${healthy} of ${count(expected, 'table')} watched, ${failures === 0 ? 'no failures' : count(failures, 'failure')}${found}`;
}
