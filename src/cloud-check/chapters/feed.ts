/**
 * That the feed leaves nothing out. An outlet never asks again for what a cursor has passed by: whatever shares its place with
 * another change, or is committed late under an earlier one, would be missing in the shop for good. Seen by what the cloud shows
 * of the outlet's own changes; one that shows none cannot be checked.
 */
import { sleep, steadyMs } from '../../time.js';
import { broken, type Check, ok, skipped, verdictOf } from '../check.js';
import { mustBePage, mustBring, namesIn, pageOf } from '../judge-page.js';
import { mustBeAccepted, versionMade } from '../judge-push.js';
import { longAgo } from '../long-ago.js';
import type { TestOutlet } from '../test-outlet.js';
import { ask, LIMIT, walk } from '../walk-feed.js';

export const UNASKED = 'no --pulled';
const NOT_SHOWN = "the cloud does not show an outlet's own changes";

const TOGETHER = 5;
const MOST_SINGLES = 50;
/** Pushes that go side by side, and how many each of them are. */
const LANES = 4;
const PUSHES = 6;
const WAIT_S = 5;
const NEWS_AFTER_MS = 500;
/** A cloud that looks every second or two is within its rights. */
const LATE_MS = 3_500;

const NOTHING_LOST = {
  where: 'GET {base}/sync/changes',
  says: 'Between two cursors nothing may be left out: neither what came in the same instant, nor what was committed late under an earlier number.',
};

const onePerPage: Check = {
  name: 'pages of one change bring all that a large page brings',
  contract: NOTHING_LOST,
  async run(outlet) {
    if (!outlet.options.pulled) return skipped(UNASKED);
    const { cursor: from, unfinished } = await walk(outlet, outlet.cursor);
    if (from === null) return unfinished;
    const created = Array.from({ length: TOGETHER }, () => outlet.change('create', outlet.freshId(), null));
    const first = created[0] as (typeof created)[0];
    const pushed = await outlet.push(created.map((change) => ({ ...change, tx: first.tx })));
    const whole = await walk(outlet, from);
    if (whole.cursor === null) return whole.unfinished;
    if (!created.some(({ entity_id }) => whole.seen.has(entity_id))) return skipped(NOT_SHOWN);
    const came = new Set<string>();
    let cursor = from;
    for (let pages = 0; pages < Math.min(whole.names.length, MOST_SINGLES); pages++) {
      const asked = await ask(outlet, cursor, '', 1);
      const page = pageOf(asked);
      const fault = mustBePage(asked, 1);
      if (fault || page === undefined) return verdictOf([fault]);
      for (const name of namesIn(page)) came.add(name);
      const lost = whole.names.slice(0, MOST_SINGLES).find((name) => !came.has(name));
      if (!page.has_more && lost !== undefined)
        return verdictOf([broken(`the pages end (has_more false) and ${lost} did not come with them`, asked)]);
      cursor = page.next_cursor;
    }
    return verdictOf(created.map((change) => mustBeAccepted(pushed, change, 'one of five creates in a transaction')));
  },
};

/** Ids that are pushed while pages are fetched, and those that came with the pages. */
async function pullWhilePushing(outlet: TestOutlet, from: string): Promise<{ seen: Set<string>; cursor: string }> {
  let pushing = true;
  const lane = async () => {
    for (let n = 0; n < PUSHES; n++) await outlet.push([outlet.change('create', outlet.freshId(), null)]);
  };
  const pushed = Promise.all(Array.from({ length: LANES }, lane)).finally(() => {
    pushing = false;
  });
  pushed.catch(() => {});
  const seen = new Set<string>();
  let cursor = from;
  while (pushing) {
    const page = pageOf(await ask(outlet, cursor, '', 3));
    for (const { entity_id } of page?.changes ?? []) seen.add(entity_id);
    cursor = page?.next_cursor ?? cursor;
  }
  await pushed;
  return { seen, cursor };
}

const meanwhile: Check = {
  name: 'nothing is left out that comes in while pages are fetched',
  contract: NOTHING_LOST,
  async run(outlet) {
    if (!outlet.options.pulled) return skipped(UNASKED);
    const { cursor: from, unfinished } = await walk(outlet, outlet.cursor);
    if (from === null) return unfinished;
    const { seen, cursor } = await pullWhilePushing(outlet, from);
    const whole = await walk(outlet, from);
    if (whole.cursor === null) return whole.unfinished;
    if (whole.seen.size === 0) return skipped(NOT_SHOWN);
    // What the cloud shows only after a while has come by now with the rest.
    const rest = await walk(outlet, cursor);
    const lost = [...whole.seen].filter((id) => !seen.has(id) && !rest.seen.has(id));
    const why = `${lost.length} of ${whole.seen.size} changes, ${lost[0]} for one, come after the cursor from before them, but did not come page by page while they were pushed`;
    return verdictOf([lost.length === 0 ? undefined : broken(why, outlet.exchanges.at(-1) ?? null)]);
  },
};

const woken: Check = {
  name: 'a call that waits is answered when something arrives',
  contract: {
    where: 'GET {base}/sync/changes',
    says: 'wait (0 to 55 s; missing: 0) is a long poll: answer when something arrives.',
  },
  async run(outlet) {
    if (!outlet.options.pulled) return skipped(UNASKED);
    if (!outlet.capabilities.long_poll) return skipped('capabilities does not list long_poll');
    const { cursor, unfinished } = await walk(outlet, outlet.cursor);
    if (cursor === null) return unfinished;
    const waiting = ask(outlet, cursor, `&wait=${WAIT_S}`);
    await sleep(NEWS_AFTER_MS);
    await outlet.push([outlet.change('create', outlet.freshId(), null)]);
    const asked = await waiting;
    const { durationMs } = asked.reply;
    const after = await walk(outlet, cursor);
    if (after.cursor === null) return after.unfinished;
    if (after.seen.size === 0) return skipped(NOT_SHOWN);
    const seconds = `${(durationMs / 1_000).toFixed(1)} s`;
    if (durationMs < LATE_MS) return ok(`after ${seconds}`);
    return verdictOf([broken(`it was answered after ${seconds}; the news was there after ${NEWS_AFTER_MS} ms`, asked)]);
  },
};

/** The last that the pages from a cursor on bring of some entities; waited for, where the delete that was pushed is not there yet. */
async function lastOf(outlet: TestOutlet, from: string, deleted: string) {
  for (const until = steadyMs() + LATE_MS; ; await sleep(NEWS_AFTER_MS)) {
    const asked = await ask(outlet, from);
    const last = new Map(pageOf(asked)?.changes.map((change) => [change.entity_id, change]));
    if (last.get(deleted)?.operation === 'delete' || steadyMs() > until) return { asked, last };
  }
}

const asSent: Check = {
  name: 'pages bring rows as they were sent, when they were edited, and deletes',
  contract: {
    where: 'GET {base}/sync/changes',
    says: "data is the whole row (null on delete); columns that it lacks keep the shop's value. updated_at is when the winning edit was made.",
  },
  async run(outlet) {
    if (!outlet.options.pulled) return skipped(UNASKED);
    const [edited, gone] = [
      outlet.change('create', outlet.freshId(), null),
      outlet.change('create', outlet.freshId(), null),
    ];
    const first = await outlet.push([edited, gone]);
    const { cursor, unfinished } = await walk(outlet, outlet.cursor);
    if (cursor === null) return unfinished;
    const { entity_id } = edited;
    const data = outlet.options.row.text(entity_id, { name: '"later"' });
    const update = outlet.change('update', entity_id, versionMade(first, edited), { data, changed_at: longAgo() });
    const remove = outlet.change('delete', gone.entity_id, versionMade(first, gone));
    const second = await outlet.push([update, remove]);
    const { asked, last } = await lastOf(outlet, cursor, gone.entity_id);
    if (!last.has(entity_id) && !last.has(gone.entity_id)) return skipped(NOT_SHOWN);
    return verdictOf([
      mustBeAccepted(second, update, 'the update'),
      mustBeAccepted(second, remove, 'the delete'),
      mustBePage(asked, LIMIT),
      mustBring(asked, last.get(entity_id), update),
      mustBring(asked, last.get(gone.entity_id), remove),
    ]);
  },
};

export const feed: Check[] = [onePerPage, meanwhile, asSent, woken];
