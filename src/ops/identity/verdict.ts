/**
 * Is this database the one that the outlet last worked on? Pure: holds what the state directory remembers against what the
 * database says of itself. Whatever does not fit stops everything with the cloud before the first thing is sent; only a person
 * can tell a backup from a clone.
 *
 * Without a memory (the state directory is new, was lost, or is older than the last `syncd adopt`) the database's own record
 * decides. It tells a dump and a copy beside the original by itself. It cannot tell a copy of the server's files, unless the
 * server has been running ever since that record was written: then nobody can have exchanged them. A server that was restarted
 * meanwhile may be a restored one, so a person is asked.
 *
 * A promoted standby may lack what was settled in the last moments of the primary. That is no restored backup as long as it is
 * about a minute: the epoch is raised, so that numbers which are used again mean something new, and work goes on.
 */
import type { Place } from '../../db/place.js';

/** What state_dir/identity.json holds. Ids and instants are text as Postgres wrote them. */
export type Remembered = Omit<Place, 'server_started_at'> & {
  outlet_id: string;
  install_id: string;
  epoch: string;
  /** The highest id of the queue that a push had settled. */
  settled_id: string;
  /** The database's clock then, in ms. */
  noted_ms: number;
};

/** lost: there is no file. damaged: there is one that nobody can read. */
export type Memory = Remembered | 'lost' | 'damaged';

/** What the database says. */
export type Found = {
  outlet_id: string;
  install_id: string;
  epoch: string;
  settled_id: string;
  adopted_from: string | null;
  place: Place;
  /** What it wrote down of itself; null: no daemon has ever worked on it. */
  home: (Place & { outlet_id: string }) | null;
  /** The last sign of life of any daemon in it, in ms by its clock; null: none. */
  alive_ms: number | null;
  /** Whether the database that is remembered stands beside this one on the same server. */
  original_beside: boolean;
};

export type Mismatch = { kind: 'restored' | 'cloned' | 'moved' | 'unknown'; reason: string };

export type IdentityVerdict =
  /** `why` tells how that is known; failover: the epoch has to be raised first. */
  { kind: 'fits'; why: 'remembered' | 'first' | 'adopted' | 'vouched' | 'failover' } | Mismatch;

/** What may be missing after a failover: a standby lags by seconds, a backup by hours. */
export const FAILOVER_LACKS_MS = 60_000;

/** @param vouched a leader is at work on this very database now */
export function judgeIdentity(memory: Memory, found: Found, vouched = false): IdentityVerdict {
  const { home } = found;
  if (home !== null && home.outlet_id !== found.outlet_id)
    return cloned(`the database worked for outlet ${home.outlet_id}, and now it is said to be ${found.outlet_id}`);
  if (memory === 'lost' || memory === 'damaged') return withoutMemory(MEMORIES[memory], found, vouched);
  if (memory.install_id !== found.install_id) return otherInstall(memory, found, vouched);
  if (memory.outlet_id !== found.outlet_id)
    return cloned(`the state directory remembers outlet ${memory.outlet_id}, the database is ${found.outlet_id}`);
  if (isAdopted(memory, found)) return { kind: 'fits', why: 'adopted' };
  if (less(found.epoch, memory.epoch))
    return restored(`its epoch is ${found.epoch}, and it was ${memory.epoch} before`);
  const elsewhere = elsewhereThan(memory, found.place);
  const behind = less(found.settled_id, memory.settled_id);
  if (elsewhere === undefined) return onTheSameServer(memory, found, behind);
  if (behind) return restored(`it is ${elsewhere}, and ${lacking(memory, found)}`);
  if (found.original_beside) return cloned(`it is ${elsewhere}, and the one that the outlet worked on is still there`);
  return { kind: 'moved', reason: `the database has moved: it is ${elsewhere}` };
}

function onTheSameServer(memory: Remembered, found: Found, behind: boolean): IdentityVerdict {
  const { timeline } = found.place;
  if (timeline < memory.timeline)
    return restored(`the server is on timeline ${timeline}, and it was on ${memory.timeline} before: an old primary?`);
  if (timeline > memory.timeline) {
    const lacksMs = found.alive_ms === null ? Number.POSITIVE_INFINITY : memory.noted_ms - found.alive_ms;
    if (!behind || lacksMs <= FAILOVER_LACKS_MS) return { kind: 'fits', why: 'failover' };
    return restored(`the server was recovered to an earlier state: ${lacking(memory, found)}`);
  }
  return behind ? restored(lacking(memory, found)) : { kind: 'fits', why: 'remembered' };
}

/** @param why there is none, in words */
function withoutMemory(why: string, found: Found, vouched: boolean): IdentityVerdict {
  const { home, place } = found;
  if (home === null) return { kind: 'fits', why: 'first' };
  const elsewhere = elsewhereThan(home, place);
  if (elsewhere !== undefined)
    return found.original_beside
      ? cloned(`it is ${elsewhere}, and the one that the outlet worked on is still there`)
      : { kind: 'unknown', reason: `the database was copied or restored: it is ${elsewhere}; ${why}` };
  if (vouched || home.server_started_at === place.server_started_at) return { kind: 'fits', why: 'vouched' };
  return {
    kind: 'unknown',
    reason: `${why}, and PostgreSQL was restarted since the daemon last worked: nobody can tell whether the database is a restored backup`,
  };
}

const MEMORIES = {
  lost: 'the state directory has no memory of this outlet',
  damaged: 'identity.json in the state directory is damaged',
  outdated: 'the state directory remembers an earlier installation',
};

/** A person has run syncd adopt since the memory was written, or another host has worked on the database. */
function isAdopted(memory: Remembered, { epoch, home, place }: Found): boolean {
  return home !== null && less(memory.epoch, epoch) && elsewhereThan(home, place) === undefined;
}

function otherInstall(memory: Remembered, found: Found, vouched: boolean): IdentityVerdict {
  if (found.adopted_from === memory.install_id) {
    const verdict = withoutMemory(MEMORIES.outdated, found, true);
    return verdict.kind === 'fits' ? { kind: 'fits', why: 'adopted' } : verdict;
  }
  if (memory.outlet_id !== found.outlet_id) {
    const why = `state_dir remembers outlet ${memory.outlet_id}, and two outlets of one machine need one each`;
    return withoutMemory(why, found, vouched);
  }
  if (found.home !== null && elsewhereThan(found.home, found.place) === undefined && vouched)
    return { kind: 'fits', why: 'vouched' };
  return {
    kind: 'unknown',
    reason: `it is another installation of this outlet than the one that the state directory remembers${found.home === null ? ': syncd was installed anew' : ''}`,
  };
}

/** How the place differs, in words; undefined: it does not. */
function elsewhereThan(
  before: Omit<Place, 'server_started_at'>,
  { system, database, queue }: Place,
): string | undefined {
  if (before.system !== system) return 'on another server, or on one that pg_upgrade made';
  if (before.database !== database) return 'another database of the same server';
  if (before.queue !== queue) return 'the same database, but its tables were made anew';
  return undefined;
}

function lacking(memory: Remembered, { settled_id }: Found): string {
  return `its queue is settled up to change ${settled_id}, and it was settled up to ${memory.settled_id} before`;
}

const cloned = (reason: string): Mismatch => ({ kind: 'cloned', reason: `the database is a copy: ${reason}` });
const restored = (reason: string): Mismatch => ({
  kind: 'restored',
  reason: `the database is a restored backup: ${reason}`,
});

/** Ids are whole numbers without a sign, as Postgres writes them. */
export function less(a: string, b: string): boolean {
  return a.length === b.length ? a < b : a.length < b.length;
}
