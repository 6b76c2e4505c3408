/**
 * What the outlet fetches. Every check goes from the end of the feed, so that a long one is walked once; what the feed of this
 * cloud shows of an outlet's own changes is its own affair.
 */
import { answerWords, broken, type Chapter, type Check, ok, skipped, verdictOf } from '../check.js';
import { mustBePage, mustRepeat, pageOf } from '../judge-page.js';
import { mustBeAccepted, versionMade } from '../judge-push.js';
import { ask, LIMIT, walk } from '../walk-feed.js';
import { feed, UNASKED } from './feed.js';

/** What a long poll is asked to wait, and what it has to hold at least: a second is lost to rounding and the line. */
const WAIT_S = 2;
const HELD_MS = 900;
const CURSOR = {
  where: 'GET {base}/sync/changes',
  says: "The cursor is the cloud's own and opaque, of 4,096 characters at most. The outlet stores it together with the page. The first call has none, but since (an instant) where it is configured: what the cloud took before may be left out.",
};
const TOO_OLD = {
  where: 'GET {base}/sync/changes',
  says: '410: the cursor is too old, or of another history; the outlet starts again without one. Old versions that come again do no harm.',
};

const onePage: Check = {
  name: 'GET /sync/changes answers a page',
  contract: {
    where: 'GET {base}/sync/changes',
    says: 'What head office changed. The outlet asks again and again with the cursor of the last page.',
  },
  run: async (outlet) => verdictOf([mustBePage(await outlet.get('/sync/changes?limit=10'), 10)]),
};

const sinceThen: Check = {
  name: 'the first call may name an instant in since',
  contract: CURSOR,
  run: async (outlet) =>
    verdictOf([mustBePage(await outlet.get('/sync/changes?limit=10&since=2026-01-01T00%3A00%3A00.000Z'), 10)]),
};

const toTheEnd: Check = {
  name: 'next_cursor leads from the first page to has_more false',
  contract: CURSOR,
  async run(outlet) {
    if (!outlet.options.pulled) return skipped(UNASKED);
    const { cursor, unfinished } = await walk(outlet, null);
    if (cursor === null) return unfinished;
    return verdictOf([mustBePage(await outlet.get('/sync/changes?limit=1'), 1)]);
  },
};

const ownChanges: Check = {
  name: "the outlet's own change comes back with its version, or not at all",
  contract: {
    where: 'GET {base}/sync/changes',
    says: "The outlet's own changes may come back, and should: an outlet whose database was restored wants them again. They are recognised by their version.",
  },
  async run(outlet) {
    if (!outlet.options.pulled) return skipped(UNASKED);
    const { cursor, unfinished } = await walk(outlet, outlet.cursor);
    if (cursor === null) return unfinished;
    const create = outlet.change('create', outlet.freshId(), null);
    const pushed = await outlet.push([create]);
    const asked = await ask(outlet, cursor);
    const again = await ask(outlet, cursor);
    const own = pageOf(asked)?.changes.find(({ entity_id }) => entity_id === create.entity_id);
    const made = versionMade(pushed, create);
    const wrong = own !== undefined && own.cloud_version !== String(made);
    const missed = own === undefined && (await walk(outlet, null)).seen.has(create.entity_id);
    const why =
      'it does not come after the cursor from before it, though it does without a cursor: an outlet would miss it';
    return verdictOf(
      [
        mustBeAccepted(pushed, create, 'the create'),
        mustBePage(asked, LIMIT),
        wrong ? broken(`it comes back with cloud_version ${own.cloud_version}, not ${made}`, asked) : undefined,
        missed ? broken(why, asked) : undefined,
        mustRepeat(asked, again),
      ],
      own ? 'it comes back' : 'it does not come back',
    );
  },
};

const again: Check = {
  name: 'a cursor that is sent again brings the same changes, or 410',
  contract: TOO_OLD,
  async run(outlet) {
    if (!outlet.options.pulled) return skipped(UNASKED);
    const first = await outlet.get('/sync/changes?limit=1');
    const cursor = pageOf(first)?.next_cursor;
    if (cursor === undefined) return verdictOf([mustBePage(first, 1)]);
    const path = `/sync/changes?limit=10&cursor=${encodeURIComponent(cursor)}`;
    const second = await outlet.get(path);
    const third = await outlet.get(path);
    const gone = second.reply.kind === 'answer' && second.reply.status === 410;
    return verdictOf([gone ? undefined : mustBePage(second, 10), gone ? undefined : mustRepeat(second, third)]);
  },
};

const nonsense: Check = {
  name: 'a cursor that the cloud never gave is answered 400 or 410',
  contract: TOO_OLD,
  async run(outlet) {
    if (!outlet.options.pulled) return skipped(UNASKED);
    const asked = await ask(outlet, 'not-a-cursor-of-this-cloud');
    const { reply } = asked;
    if (reply.kind === 'answer' && (reply.status === 400 || reply.status === 410)) return ok(`${reply.status}`);
    const loss = pageOf(asked) ? ', a page: an outlet with a damaged cursor would miss what came before it' : '';
    return verdictOf([broken(`${answerWords(asked)}${loss}`, asked)]);
  },
};

const longPoll: Check = {
  name: `wait=${WAIT_S} keeps the call open while nothing is new`,
  contract: {
    where: 'GET {base}/sync/changes',
    says: 'wait (0 to 55 s; missing: 0) is a long poll: answer when something arrives.',
  },
  async run(outlet) {
    if (!outlet.options.pulled) return skipped(UNASKED);
    if (!outlet.capabilities.long_poll) return skipped('capabilities does not list long_poll');
    const { cursor, unfinished } = await walk(outlet, outlet.cursor);
    if (cursor === null) return unfinished;
    const asked = await ask(outlet, cursor, `&wait=${WAIT_S}`);
    const { durationMs } = asked.reply;
    const news = (pageOf(asked)?.changes.length ?? 0) > 0;
    const early = !news && durationMs < HELD_MS;
    const why = `it was answered after ${Math.round(durationMs)} ms with nothing new: the outlet would ask without a pause`;
    return verdictOf(
      [mustBePage(asked, LIMIT), early ? broken(why, asked) : undefined],
      news ? 'something new came meanwhile' : `held for ${(durationMs / 1_000).toFixed(1)} s`,
    );
  },
};

export const pull: Chapter = {
  title: 'Pull',
  needsRows: false,
  checks: [onePage, sinceThen, toTheEnd, ownChanges, again, nonsense, ...feed, longPoll],
};
