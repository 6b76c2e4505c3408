/**
 * Faults that spoil a page of changes after it was found: the feed itself stays as it is, so the truth that tests compare with
 * is never spoiled.
 */
import type { Exchange } from './exchange.js';
import { changeMatches } from './faults.js';
import type { FeedEntry } from './records.js';

/** A page before it is text. `next` and `more` are what the outlet is told. */
export type Page = { changes: FeedEntry[]; next: string; more: boolean; padding: number };

const TEN_MEGABYTES = 10 * 1024 * 1024;

/** @param given the cursor that came, or the one that stands for the beginning. */
export function spoilPage(exchange: Exchange, given: string, page: Page): Page {
  let spoiled = page;
  for (const fault of exchange.faults('page')) {
    const { changes } = spoiled;
    const meant = (entry: Page['changes'][number]) => changeMatches(fault.match ?? {}, entry);
    switch (fault.how) {
      case 'still-cursor':
        spoiled = { ...spoiled, next: given, more: changes.length > 0 };
        break;
      case 'more-for-ever':
        spoiled = { ...spoiled, more: true };
        break;
      case 'doubled':
        spoiled = { ...spoiled, changes: changes.flatMap((entry) => (meant(entry) ? [entry, entry] : [entry])) };
        break;
      case 'reversed':
        spoiled = { ...spoiled, changes: [...changes].reverse() };
        break;
      case 'lower-version':
        spoiled = {
          ...spoiled,
          changes: changes.map((entry) => (meant(entry) ? { ...entry, cloud_version: fault.version ?? 1 } : entry)),
        };
        break;
      case 'huge':
        spoiled = { ...spoiled, padding: fault.bytes ?? TEN_MEGABYTES };
        break;
      default:
        fault.how satisfies never;
    }
  }
  return spoiled;
}
