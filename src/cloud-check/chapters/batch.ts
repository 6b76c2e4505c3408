/** The batch: a result for each of its changes, one bad change apart from the others, and the bounds of its size. */
import { parseError, parseObject } from '../../cloud/reply.js';
import { answerWords, broken, type Chapter, type Check, type Fault, ok, skipped, verdictOf } from '../check.js';
import { mustBeUnknown } from '../judge-entity.js';
import { eachOnce, mustBe, mustBeAccepted } from '../judge-push.js';
import type { Change, PushExchange, PushGiven, TestOutlet } from '../test-outlet.js';

/** More rows than this are too many to leave in somebody's test cloud. */
const MOST_CHANGES = 2_000;
const MOST_BYTES = 8 * 1024 * 1024;

const results: Check = {
  name: 'every change of a batch of 20 has exactly one result',
  contract: {
    where: 'POST {base}/sync/push',
    says: 'The answer is 200 with exactly one result for every change, in any order:',
  },
  async run(outlet) {
    const changes = Array.from({ length: 20 }, () => outlet.change('create', outlet.freshId(), null));
    const pushed = await outlet.push(changes);
    return verdictOf([eachOnce(pushed), ...changes.map((change) => mustBeAccepted(pushed, change, 'a create'))]);
  },
};

const badChange: Check = {
  name: 'one bad change (operation "upsert") does not lose the others',
  contract: {
    where: 'What the cloud must do, 8',
    says: 'One bad change is no bad batch. Answer 200 and reject that change alone, wherever you can.',
  },
  async run(outlet) {
    const good = outlet.change('create', outlet.freshId(), null);
    const bad = outlet.change('upsert', outlet.freshId(), null);
    const pushed = await outlet.push([good, bad]);
    const whole = refusedAsAWhole(pushed);
    if (!whole)
      return verdictOf([
        mustBe(pushed, good, 'the good change beside it', ['accepted']),
        mustBe(pushed, bad, 'the change whose operation is "upsert"', ['rejected']),
      ]);
    const unapplied = await outlet.entity(good.entity_id);
    const alone = await outlet.push([good]);
    return verdictOf(
      [
        mustBeUnknown(unapplied, 'the good change of a batch that was refused as a whole'),
        mustBeAccepted(alone, good, 'the good change without the bad one'),
      ],
      `${answerWords(pushed)} for all; rejecting the one alone would be quicker`,
    );
  },
};

/** What makes the outlet halve the batch until the bad change stands alone. */
function refusedAsAWhole({ reply }: PushExchange): boolean {
  if (reply.kind === 'none') return false;
  if (reply.status === 409) return parseError(reply.body).code !== 'fork';
  return reply.status === 400 || reply.status === 422;
}

const packed = ({ capabilities }: TestOutlet): PushGiven =>
  capabilities.encodings.includes('gzip') ? { encoding: 'gzip' } : {};

const full: Check = {
  name: 'a batch of max_batch_changes is taken',
  contract: {
    where: 'What the outlet does with an HTTP answer',
    says: "Batches grow to the cloud's maximum on a fast line and shrink when answers are late.",
  },
  async run(outlet) {
    const { max_batch_changes, max_batch_bytes } = outlet.capabilities;
    // Deletes of one row that never was: they leave one tombstone, and the feed has nothing to carry.
    const id = outlet.freshId();
    const changes = [outlet.change('delete', id, null)];
    const each = JSON.stringify({ ...changes[0], after: outlet.freshId() }).length + SPARE_BYTES;
    const count = Math.min(max_batch_changes, MOST_CHANGES, Math.floor(max_batch_bytes / each) - 1);
    for (let before = changes[0] as Change; changes.length < count; changes.push(before))
      before = outlet.change('delete', id, null, { tx: before.tx, after: before.change_id });
    const pushed = await outlet.push(changes, packed(outlet));
    if (is415(pushed)) return skipped('the cloud reads no gzip');
    const refused = notAccepted(pushed);
    const what = `one of ${changes.length} deletes (max_batch_changes is ${max_batch_changes})`;
    return verdictOf([eachOnce(pushed), refused && mustBeAccepted(pushed, refused, what)]);
  },
};

/** A change's numbers may become longer than those of the first. */
const SPARE_BYTES = 20;

/** Read once for all: a full batch has too many results to read them all for each. */
function notAccepted({ reply, changes }: PushExchange): Change | undefined {
  const results = reply.kind === 'answer' ? parseObject(reply.body)?.results : undefined;
  if (!Array.isArray(results)) return undefined;
  const accepted = new Set(results.filter((one) => one?.status === 'accepted').map((one) => one.change_id));
  return changes.find(({ change_id }) => !accepted.has(change_id));
}

const tooMany: Check = {
  name: 'a batch of more than max_batch_changes is answered 413, or taken',
  contract: {
    where: 'What the outlet does with an HTTP answer',
    says: 'halves the batch; a lone change that is too large is failed',
  },
  async run(outlet) {
    const { max_batch_changes, max_batch_bytes } = outlet.capabilities;
    if (max_batch_changes > MOST_CHANGES)
      return skipped(`it would take more than ${MOST_CHANGES} changes: max_batch_changes is ${max_batch_changes}`);
    const changes = Array.from({ length: max_batch_changes + 1 }, () =>
      outlet.change('delete', outlet.freshId(), null),
    );
    if (JSON.stringify(changes).length > max_batch_bytes)
      return skipped(`so many changes do not fit into max_batch_bytes, which is ${max_batch_bytes}`);
    const pushed = await outlet.push(changes, packed(outlet));
    if (is413(pushed)) return ok('413');
    if (is415(pushed)) return skipped('the cloud reads no gzip');
    return verdictOf([
      pushed.reply.kind === 'answer' && pushed.reply.status === 200 ? eachOnce(pushed) : not413(pushed),
    ]);
  },
};

const tooLarge: Check = {
  name: 'a body of more than max_batch_bytes is answered 413, or taken',
  contract: {
    where: 'GET {base}/sync/capabilities',
    says: 'max_batch_bytes counts the body before compression.',
  },
  async run(outlet) {
    const { max_batch_bytes } = outlet.capabilities;
    if (max_batch_bytes > MOST_BYTES) return skipped(`max_batch_bytes is ${max_batch_bytes}`);
    if (!outlet.options.row.own) return skipped('a row of --data cannot be made larger');
    const id = outlet.freshId();
    const data = outlet.options.row.text(id, { note: JSON.stringify('x'.repeat(max_batch_bytes)) });
    const change = outlet.change('create', id, null, { data });
    const pushed = await outlet.push([change], packed(outlet));
    if (is413(pushed)) return ok('413');
    if (is415(pushed)) return skipped('the cloud reads no gzip');
    const taken = pushed.reply.kind === 'answer' && pushed.reply.status === 200;
    return verdictOf([taken ? mustBe(pushed, change, 'the large row', ['accepted', 'rejected']) : not413(pushed)]);
  },
};

const is413 = ({ reply }: PushExchange): boolean => reply.kind === 'answer' && reply.status === 413;
const is415 = ({ reply }: PushExchange): boolean => reply.kind === 'answer' && reply.status === 415;

function not413(exchange: PushExchange): Fault {
  return broken(`${answerWords(exchange)}; only 413 makes the outlet send less at once`, exchange);
}

const order: Check = {
  name: 'a transaction over two rows, several changes each, is accepted',
  contract: {
    where: 'What the cloud must do, 4',
    says: 'With after, ignore base_cloud_version: the version must be the one that the named change made',
  },
  async run(outlet) {
    const [one, other] = [outlet.freshId(), outlet.freshId()];
    const first = outlet.change('create', one, null);
    const second = outlet.change('create', other, null, { tx: first.tx });
    const third = outlet.change('update', one, null, { tx: first.tx, after: first.change_id });
    const fourth = outlet.change('delete', other, null, { tx: first.tx, after: second.change_id });
    const changes = [first, second, third, fourth];
    const pushed = await outlet.push(changes);
    return verdictOf(
      changes.map((change, place) => mustBeAccepted(pushed, change, `change ${place + 1} of the transaction`)),
    );
  },
};

export const batch: Chapter = {
  title: 'The batch',
  needsRows: true,
  checks: [results, order, badChange, full, tooMany, tooLarge],
};
