/**
 * Which side of a divergence is kept. Pure: one function over what each side did, when, and how far the clock can be trusted;
 * test/golden/strategy.txt is its whole table. It never guesses: where a rule cannot tell, the divergence stays open and a person
 * chooses.
 */
import type { Operation } from '../cloud/wire.js';
import type { Settings, Strategy } from '../config/settings.js';
import type { Merge } from './merge.js';

/** What stands at the cloud: a row, a tombstone, or nothing at all, as after a restore from an old backup. */
export type CloudSide = 'row' | 'deleted' | 'nothing';

export type Divergence = {
  /** What the shop's unsettled changes come to. */
  local: Operation;
  cloud: CloudSide;
  /** Both sides hold the same row. Where neither holds one they are the same anyway. */
  equal: boolean;
  /** Nobody in the shop has edited the row: it was sent once more as it was, or triggers of the POS touched what came in. */
  unedited: boolean;
  /** The cloud holds an earlier change of the shop's own, of which it never said so. */
  own: boolean;
  order: Order;
  /** Looked at only where both sides hold a row. */
  merge: Merge;
};

export type Choice =
  | { keep: 'local' | 'cloud' | 'merged'; by: Exclude<Strategy, 'manual'>; reason: string }
  | { keep: 'cloud' | 'merged' | 'equal'; reason: string }
  | { keep: 'open'; reason: string };

/** What was known of the outlet's clock when the edit was captured. */
export type ClockTrust = {
  /** The cloud's clock less ours, in ms; null: unknown. */
  offset_ms: number | null;
  /** The wall clock was set between the edit and now, so nobody knows by which one it was dated. */
  jumped: boolean;
};

export type Order = { newer: 'local' | 'cloud' | 'neither' } | { newer: 'unknown'; why: string };

/** An entity's own strategy, or everybody's. */
export function strategyOf(settings: Settings, entity_type: string): Strategy {
  return settings.entities.get(entity_type)?.conflict ?? settings.sync.conflict;
}

/** Two edits this close count as made at the same time: that is how well the offset is known. */
const TIE_MS = 1_000;
/** A clock that is further off than this was not merely drifting. */
const MOST_OFFSET_MS = 60_000;

/**
 * Which edit is newer, by the cloud's clock.
 * @param localMs the shop's edit by its own wall clock, epoch ms; null: that is not on record
 * @param cloudMs the cloud's edit, epoch ms; null: the cloud did not say
 */
export function orderOf(localMs: number | null, cloudMs: number | null, clock: ClockTrust): Order {
  if (cloudMs === null) return { newer: 'unknown', why: 'the cloud did not say when its edit was made' };
  if (localMs === null) return { newer: 'unknown', why: 'when the shop made its edit is not on record' };
  if (clock.jumped) return { newer: 'unknown', why: "the shop's clock was set after its edit" };
  if (clock.offset_ms === null) {
    return { newer: 'unknown', why: "how far the shop's clock was off at its edit is not known" };
  }
  if (Math.abs(clock.offset_ms) > MOST_OFFSET_MS) {
    const seconds = Math.round(Math.abs(clock.offset_ms) / 1_000);
    return { newer: 'unknown', why: `the shop's clock was ${seconds} s off at its edit` };
  }
  const aheadMs = localMs + clock.offset_ms - cloudMs;
  if (Math.abs(aheadMs) <= TIE_MS) return { newer: 'neither' };
  return { newer: aheadMs > 0 ? 'local' : 'cloud' };
}

/**
 * @param fallback what `merge` falls to where it cannot merge
 * @param asked a person named the strategy, having both sides in view: then `cloud_wins` may also mean "delete ours, for the
 *   cloud has none"
 */
export function choose(strategy: Strategy, fallback: Strategy, divergence: Divergence, asked: boolean): Choice {
  const { local, cloud, equal, merge } = divergence;
  if (local === 'delete' && cloud !== 'row') return { keep: 'equal', reason: 'the row is gone on both sides' };
  // Two sides that took two each from ten hold the same, and still something is to be done; whether they did may be in doubt.
  const counts = merge.kind === 'clash' ? merge.in_doubt === true : merge.take.some(({ from }) => from === 'sum');
  if (equal && !(strategy === 'merge' && counts)) return { keep: 'equal', reason: 'both sides hold the same' };
  if (divergence.unedited && cloud !== 'nothing' && !asked) return followed(divergence);
  switch (strategy) {
    case 'manual':
      return { keep: 'open', reason: 'a person is to choose' };
    case 'local_wins':
      return { keep: 'local', by: strategy, reason: "the shop's side wins" };
    case 'cloud_wins':
      if (cloud === 'nothing' && !asked) return nobodyDeletedIt;
      if (divergence.own && !asked) return { keep: 'local', by: strategy, reason: OWN };
      return { keep: 'cloud', by: strategy, reason: "the cloud's side wins" };
    case 'newest_wins':
      return newest(divergence);
    case 'merge':
      return merged(fallback, divergence, asked);
    default:
      return strategy satisfies never;
  }
}

/** A change of the cloud that comes before any edit of the shop's is no matter of strategy, whichever way it is heard of. */
function followed({ cloud, merge }: Divergence): Choice {
  const why = 'nobody in the shop has edited it';
  if (cloud === 'row' && merge.kind === 'merged') return { keep: 'merged', reason: `${why}: ${merge.reason}` };
  return { keep: 'cloud', reason: why };
}

/** What a cloud has lost is no edit of its own: it must not make an automatism delete the shop's row. */
const nobodyDeletedIt: Choice = {
  keep: 'open',
  reason: 'the cloud has neither the row nor a record of its deletion; cloud_wins would delete it in the shop',
};

/** Head office has edited nothing since: what the shop has sold after that is no matter of strategy. */
const OWN = "the cloud holds an earlier change of the shop's own";

function newest({ cloud, own, order }: Divergence): Choice {
  if (cloud === 'nothing') {
    return { keep: 'local', by: 'newest_wins', reason: "the cloud has nothing, so the shop's edit is the only one" };
  }
  if (own) return { keep: 'local', by: 'newest_wins', reason: OWN };
  switch (order.newer) {
    case 'unknown':
      return { keep: 'open', reason: `newest_wins is suspended: ${order.why}` };
    case 'local':
      return { keep: 'local', by: 'newest_wins', reason: "the shop's edit is the newer one" };
    case 'cloud':
      return { keep: 'cloud', by: 'newest_wins', reason: "the cloud's edit is the newer one" };
    case 'neither':
      return {
        keep: 'cloud',
        by: 'newest_wins',
        reason: 'both edits were made within a second, which goes to the cloud',
      };
    default:
      return order satisfies never;
  }
}

function merged(fallback: Strategy, divergence: Divergence, asked: boolean): Choice {
  const { local, cloud, merge } = divergence;
  if (cloud === 'nothing') {
    return { keep: 'local', by: 'merge', reason: 'the cloud has nothing to merge with' };
  }
  const both = cloud === 'row' && local !== 'delete';
  if (both && merge.kind === 'merged') return { keep: 'merged', by: 'merge', reason: merge.reason };
  const why = both && merge.kind === 'clash' ? merge.reason : deletion(local);
  const choice = choose(fallback === 'merge' ? 'manual' : fallback, 'manual', { ...divergence, equal: false }, asked);
  return choice.keep === 'open' && fallback === 'manual'
    ? { keep: 'open', reason: why }
    : { ...choice, reason: `${why}: ${choice.reason}` };
}

function deletion(local: Operation): string {
  return local === 'delete' ? 'the shop deleted what the cloud changed' : 'the cloud deleted what the shop changed';
}
