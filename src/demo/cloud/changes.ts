/**
 * GET /sync/changes: a page of the feed as one outlet sees it, at once or, with `wait`, as soon as there is something. Reads
 * only: a pull that is cut at any moment leaves nothing behind.
 */
import { changeText } from './change-text.js';
import type { Answer, Exchange } from './exchange.js';
import { json } from './exchange.js';
import { type Page, spoilPage } from './page-faults.js';
import { Refusal } from './refusal.js';

const LIMIT = { default: 500, max: 1_000 };
const MAX_WAIT_S = 55;
const PAGE_BYTES = 1024 * 1024;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

/** @throws Refusal 400 for parameters without a meaning, 410 for a cursor from before the horizon. */
export async function changes(exchange: Exchange, outletId: string): Promise<Answer> {
  const { cloud, query } = exchange;
  const { feed } = cloud.state;
  const epoch = cloud.capabilities.cloud_epoch;
  const limit = Math.min(whole(query.get('limit'), LIMIT.default, 'limit', 1), LIMIT.max);
  const waitMs = Math.min(whole(query.get('wait'), 0, 'wait', 0), MAX_WAIT_S) * 1000;
  const cursor = query.get('cursor');
  const since = cursor === null ? instantOf(query.get('since')) : undefined;
  const position = cursor === null ? { kind: 'at' as const, place: 0 } : feed.positionOf(cursor, epoch);
  if (position.kind === 'no cursor of ours') throw new Refusal(400, 'cursor', 'this is no cursor of this cloud');
  if (position.kind === 'too old') throw new Refusal(410, 'cursor_expired', 'the cursor is too old: start without one');

  const look = () => feed.after(position.place, outletId, limit, PAGE_BYTES, since);
  let found = look();
  if (found.page.length === 0 && waitMs > 0 && cloud.capabilities.long_poll && !exchange.withheld) {
    await feed.news(outletId, waitMs, exchange.closed);
    found = look();
  }
  exchange.hit(cloud.faults.takeForChanges(exchange.head, found.page));
  const page = spoilPage(exchange, cursor ?? feed.cursorAt(0, epoch), {
    changes: found.page,
    next: feed.cursorAt(found.next, epoch),
    more: found.more,
    padding: 0,
  });
  exchange.record.changes = page.changes.length;
  return json(200, textOf(exchange, page));
}

function textOf(exchange: Exchange, page: Page): string {
  const texts = page.changes.map((entry) => changeText(entry));
  if (page.padding > 0) {
    const data = `{"x":"${'x'.repeat(page.padding)}"}`;
    texts.push(`{"entity_type":"padding","entity_id":"1","operation":"create","cloud_version":1,"data":${data}}`);
  }
  const rest = {
    next_cursor: page.next,
    has_more: page.more,
    cloud_epoch: exchange.cloudEpoch,
    server_time: exchange.now().toISOString(),
  };
  return `{"changes":[${texts.join(',')}],${JSON.stringify(rest).slice(1)}`;
}

function whole(text: string | null, missing: number, name: string, least: number): number {
  if (text === null) return missing;
  if (/^\d{1,9}$/.test(text) && Number(text) >= least) return Number(text);
  throw new Refusal(400, name, `${name} must be a whole number from ${least}`);
}

function instantOf(text: string | null): Date | undefined {
  if (text === null) return undefined;
  if (INSTANT.test(text) && !Number.isNaN(Date.parse(text))) return new Date(text);
  throw new Refusal(400, 'since', 'since must be an RFC 3339 instant');
}
