/**
 * What an error of an applying transaction means for the changes in it. Pure; told by SQLSTATE alone. One bad row must not stop
 * the others, and what is nobody's fault (a lost connection, a full disk) must not make rows look bad.
 */

export type Fault =
  /** The connection, or something that nobody foresaw: the work on the database begins anew. */
  | 'up'
  /** The server cannot at this moment: its disk is full, say. */
  | 'server'
  /** A sale was there first, or must not be kept waiting. */
  | 'soon'
  /** The table is not what it was. */
  | 'table'
  /** The daemon's role may not write somewhere. */
  | 'rights'
  /** A row refers to one that is not here, or is referred to. */
  | 'reference'
  /** Another row has the place that this one takes; it may be about to leave it. */
  | 'collision'
  /** This row cannot be applied as it is. */
  | 'row';

/** Serialization failure, deadlock, lock not available; what db/holding has the server put an end to. */
const SOON = new Set(['40001', '40P01', '55P03', '57014', '25P03']);
/** Undefined column, table, function, object; a type, a generated column or the key's index that changed. */
const TABLE = new Set(['42703', '42P01', '42883', '42704', '42804', '428C9', '42P10', '3F000']);

/** @param code SQLSTATE; undefined where the error has none */
export function judgeFault(code: string | undefined): Fault {
  if (code === undefined || !/^[0-9A-Z]{5}$/.test(code)) return 'up';
  if (SOON.has(code)) return 'soon';
  if (TABLE.has(code)) return 'table';
  if (code === '42501') return 'rights';
  if (code === '23503' || code === '23001') return 'reference';
  if (code === '23505' || code === '23P01') return 'collision';
  switch (code.slice(0, 2)) {
    case '08':
    case '25':
    case '57':
      return 'up';
    case '53':
    case '58':
      return 'server';
    default:
      // Data, constraints, a RAISE of a trigger, a fault in the SQL that it runs, what an extension's type throws.
      return 'row';
  }
}

/** Milliseconds until something that was put off is tried again: from 50 ms, doubling, to 10 s. */
export function soonMs(attempts: number): number {
  return Math.min(10_000, 50 * 2 ** Math.min(attempts, 10));
}

/**
 * The same for a row that waits for the answer to a push, or for the end of a sale: those are mostly near, so it is looked at every
 * second. In an outage they are not, and each look is a row written: 500 rows came to a gigabyte of the database's log in an hour.
 * After half a minute the looks are further and further apart, a tenth of what it has waited, up to a minute.
 */
export function waitingMs(attempts: number): number {
  return Math.min(1_000, soonMs(attempts)) * Math.min(60, 1.1 ** Math.max(0, attempts - 30));
}

/**
 * The same for a row that waits for something else to happen, another row to come or to go: from half a second, four times as
 * long each time, to half an hour.
 */
export function parkedMs(attempts: number): number {
  return Math.min(1_800_000, 500 * 4 ** Math.min(attempts, 8));
}
