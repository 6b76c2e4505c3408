/**
 * What a webhook says: which entities, as rows or as hints, and the text that follows. Pure. The text of an event never changes
 * after it was made, so that every repetition of it is the same event to the byte.
 */
import { changeText } from './change-text.js';
import type { FeedEntry, WebhookEvent } from './records.js';
import { Refusal } from './refusal.js';

/** What to tell one outlet. */
export type WebhookOrder = {
  outlet_id: string;
  /** Missing: delete where all that is named is deleted, else update. */
  kind?: WebhookEvent['kind'];
  entities: { entity_type: string; entity_id: string }[];
  /** A hint leaves the row out; the outlet then fetches the entity. */
  as?: 'row' | 'hint';
  /** The one change stands beside the event's own fields, without a list around it. */
  bare?: boolean;
  event_id?: string;
  /** So many of the first answers are not waited for, so that the event comes again under its id. */
  deaf?: number;
};

const MAX_CHANGES = 100;
const MAX_ROW_BYTES = 512 * 1024;

/** @throws Refusal where one webhook cannot say it. */
export function eventFor(
  order: WebhookOrder,
  entries: readonly FeedEntry[],
  stamp: { event_id: string; sent_at: string },
): WebhookEvent {
  const kind = order.kind ?? (entries.every((entry) => entry.deleted) ? 'delete' : 'update');
  const head = JSON.stringify(stamp).slice(0, -1);
  const [first] = entries;
  if (first === undefined) throw new Refusal(400, 'webhook', 'a webhook names at least one entity');
  const alone = kind === 'conflict' || order.bare === true;
  if (alone && entries.length > 1) throw new Refusal(400, 'webhook', 'this webhook names exactly one entity');
  const event = { event_id: stamp.event_id, at: stamp.sent_at, outlet_id: order.outlet_id, kind };
  if (kind === 'conflict') {
    const { entity_type, entity_id, cloud_version, updated_at, data } = first;
    const about = JSON.stringify({ entity_type, entity_id, cloud_version, updated_at }).slice(1, -1);
    return { ...event, body: `${head},${about},"data":${data ?? 'null'}}` };
  }
  if (alone) return { ...event, body: `${head},${changeText(first, order.as).slice(1)}` };
  const texts = entries.map((entry) => changeText(entry, order.as));
  return { ...event, body: `${head},"changes":[${texts.join(',')}]}` };
}

/** Cuts news into runs that one webhook each can carry: updates or deletes alone, not too many, not too large. */
export function runsOf(entries: readonly FeedEntry[]): FeedEntry[][] {
  const runs: FeedEntry[][] = [];
  let room = 0;
  for (const entry of entries) {
    const run = runs.at(-1);
    const size = entry.data?.length ?? 0;
    const fits = run !== undefined && run.length < MAX_CHANGES && size <= room && run[0]?.deleted === entry.deleted;
    if (fits) run.push(entry);
    else {
      runs.push([entry]);
      room = MAX_ROW_BYTES;
    }
    room -= size;
  }
  return runs;
}
