/** Whose a row is: under one id, by GET, in the feed and in the digest, each outlet finds its own, and of the other's nothing. */
import { sleep } from '../../time.js';
import { digestOf, list, NOT_OFFERED } from '../ask-digest.js';
import { broken, type Check, type Fault, skipped, verdictOf } from '../check.js';
import type { Exchange } from '../exchange.js';
import { bucketOf } from '../fingerprint.js';
import { entitiesIn, mustAgree, mustList, mustName } from '../judge-digest.js';
import { mustBeUnknown, mustHaveVersion, mustHold } from '../judge-entity.js';
import { pageOf } from '../judge-page.js';
import { mustBeAccepted, mustConflict, versionMade } from '../judge-push.js';
import type { TestOutlet } from '../test-outlet.js';
import { ask, walk } from '../walk-feed.js';
import { KEY, nameOf, unlessShared, withOther, withOtherApart } from '../with-other.js';
import { UNASKED } from './feed.js';

async function created(outlet: TestOutlet, id = outlet.freshId()) {
  const create = outlet.change('create', id, null);
  const pushed = await outlet.push([create]);
  const fault = mustBeAccepted(pushed, create, `a create of ${nameOf(outlet)}`);
  return { id, create, pushed, fault, held: { version: versionMade(pushed, create), row: create.data } };
}

const sameId: Check = {
  name: 'one entity_id of two outlets is two rows',
  contract: KEY,
  run: withOtherApart(async (outlet, other) => {
    const { row } = outlet.options;
    const { id, create, pushed, fault } = await created(outlet);
    const update = outlet.change('update', id, versionMade(pushed, create), {
      data: row.text(id, { name: '"later"' }),
    });
    const second = await outlet.push([update]);
    const others = other.change('create', id, null, { data: row.text(id, { name: '"of the other"' }) });
    const third = await other.push([others]);
    const held = { version: versionMade(second, update), row: update.data };
    const remove = other.change('delete', id, versionMade(third, others));
    const what = `a create of ${nameOf(other)} under an id that ${nameOf(outlet)} has too`;
    const [mine, theirs] = [`the row of ${nameOf(outlet)}`, `the row of ${nameOf(other)} under the same id`];
    const accepted = unlessShared(other, mustBeAccepted(third, others, what, 1));
    if (fault ?? accepted) return verdictOf([fault, accepted]);
    const [own, foreign] = [await outlet.entity(id), await other.entity(id)];
    const removed = await other.push([remove]);
    return verdictOf([
      mustBeAccepted(second, update, `an update of ${nameOf(outlet)}`),
      mustHold(own, mine, id, held),
      mustHold(foreign, theirs, id, { version: 1, row: others.data }),
      mustBeAccepted(removed, remove, `a delete of ${nameOf(other)}`),
      mustHaveVersion(await other.version(id), theirs, 2),
      mustHold(await outlet.entity(id), `${mine}, after ${nameOf(other)} deleted its own,`, id, held),
    ]);
  }),
};

const unseen: Check = {
  name: 'the row of one outlet is 404 for the other, row and version',
  contract: KEY,
  run: withOtherApart(async (outlet, other) => {
    const { id, fault } = await created(outlet);
    const what = `the row of ${nameOf(outlet)}, asked for by ${nameOf(other)},`;
    return verdictOf([
      fault,
      unlessShared(other, mustBeUnknown(await other.entity(id), what)),
      mustBeUnknown(await other.version(id), `the version of ${what}`),
    ]);
  }),
};

const sharedRow: Check = {
  name: 'a row of a shared type is one row for both outlets',
  contract: {
    where: 'What the cloud must do, 2',
    says: 'Types that head office shares among outlets, a catalogue for example, have the key (entity_type, entity_id).',
  },
  run: withOther(async (outlet, other) => {
    if (!outlet.options.shared) return skipped('no --shared');
    const { id, create, fault, held } = await created(outlet);
    const again = other.change('create', id, null);
    const second = await other.push([again]);
    const update = other.change('update', id, held.version);
    const third = await other.push([update]);
    const now = { version: versionMade(third, update), row: update.data };
    return verdictOf([
      fault,
      mustConflict(second, again, `a create of ${nameOf(other)} where ${nameOf(outlet)} made the row`, {
        ...held,
        row: create.data,
      }),
      mustBeAccepted(third, update, `an update of ${nameOf(other)} on the version of ${nameOf(outlet)}`),
      mustHold(await outlet.entity(id), `the row, asked for by ${nameOf(outlet)},`, id, now),
    ]);
  }),
};

/** @param how the page was asked for. @param whose the outlet whose row it must not bring */
function mustNotBring(
  seen: ReadonlySet<string>,
  id: string,
  how: string,
  whose: TestOutlet,
  exchange: Exchange | null,
): Fault | undefined {
  return seen.has(id) ? broken(`${how} brings ${id}, a row of ${nameOf(whose)}`, exchange) : undefined;
}

const feedApart: Check = {
  name: 'a pull brings no row of the other outlet, whatever its cursor',
  contract: KEY,
  run: withOtherApart(async (outlet, other) => {
    if (!outlet.options.pulled) return skipped(UNASKED);
    const early = await created(outlet);
    const [end, begun] = [await walk(outlet, outlet.cursor), await walk(other, null)];
    if (end.cursor === null) return end.unfinished;
    if (begun.cursor === null) return begun.unfinished;
    const [mine, theirs] = [await created(outlet), await created(other)];
    const own = await walk(outlet, end.cursor);
    const ownLast = outlet.exchanges.at(-1) ?? null;
    const foreign = await walk(other, begun.cursor);
    const foreignLast = other.exchanges.at(-1) ?? null;
    // No outlet sends the cursor of another. A cloud that looks into it for whose it is shows one outlet to all that ask.
    const borrowed = await ask(other, end.cursor);
    const got = new Set(pageOf(borrowed)?.changes.map(({ entity_id }) => entity_id));
    return verdictOf(
      [
        early.fault,
        mine.fault,
        theirs.fault,
        mustNotBring(begun.seen, early.id, `a pull of ${nameOf(other)} from the beginning`, outlet, foreignLast),
        mustNotBring(own.seen, theirs.id, `a pull of ${nameOf(outlet)}`, other, ownLast),
        mustNotBring(foreign.seen, mine.id, `a pull of ${nameOf(other)}`, outlet, foreignLast),
        mustNotBring(got, mine.id, `a cursor of ${nameOf(outlet)}, sent by ${nameOf(other)},`, outlet, borrowed),
      ].map((fault) => unlessShared(other, fault)),
    );
  }),
};

/** As long as an idle poll has to be held at least; a push of the other outlet comes early in it. */
const WAIT_S = 2;
const PUSH_AFTER_MS = 200;
const HELD_MS = 900;

const waitApart: Check = {
  name: 'a call that waits is not ended by a push of the other outlet',
  contract: {
    where: 'GET {base}/sync/changes',
    says: 'wait (0 to 55 s; missing: 0) is a long poll: answer when something arrives.',
  },
  run: withOtherApart(async (outlet, other) => {
    if (!outlet.options.pulled) return skipped(UNASKED);
    if (!outlet.capabilities.long_poll) return skipped('capabilities does not list long_poll');
    const { cursor, unfinished } = await walk(outlet, outlet.cursor);
    if (cursor === null) return unfinished;
    const waiting = ask(outlet, cursor, `&wait=${WAIT_S}`);
    await sleep(PUSH_AFTER_MS);
    const { fault } = await created(other);
    const asked = await waiting;
    const { durationMs } = asked.reply;
    const empty = pageOf(asked)?.changes.length === 0;
    const why = `it was answered after ${Math.round(durationMs)} ms with nothing new, as ${nameOf(other)} had pushed: every sale of any shop would wake them all`;
    return verdictOf([fault, empty && durationMs < HELD_MS ? broken(why, asked) : undefined]);
  }),
};

const digestApart: Check = {
  name: "a digest counts the outlet's own rows alone",
  contract: {
    where: 'POST {base}/sync/digest and …/digest/entities',
    says: 'over what this outlet can see',
  },
  run: withOtherApart(async (outlet, other) => {
    if (!outlet.capabilities.digest) return skipped(NOT_OFFERED);
    const [mine, theirs] = [await created(outlet), await created(other)];
    const [own, foreign] = [await list(outlet, '*', null), await list(other, '*', null)];
    const listed = (of: TestOutlet, what: string) => `in the list of ${nameOf(of)} ${what}`;
    return verdictOf(
      [
        mine.fault,
        theirs.fault,
        mustList(own),
        mustList(foreign),
        mustName(own, theirs.id, null, listed(outlet, `a row of ${nameOf(other)}`)),
        mustName(foreign, mine.id, null, listed(other, `a row of ${nameOf(outlet)}`)),
        mustName(foreign, theirs.id, theirs.held.version, listed(other, 'its own row')),
        mustAgree(await digestOf(other, null, [bucketOf('*', entitiesIn(foreign) ?? [])])),
      ].map((fault) => unlessShared(other, fault)),
    );
  }),
};

export const othersRows: Check[] = [sameId, unseen, sharedRow, feedApart, waitApart, digestApart];
