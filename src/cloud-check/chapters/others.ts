/**
 * A second outlet at the same cloud: what was decided or remembered about one decides nothing for the other. The first check
 * finds out whether both can push at all; where they cannot, the rest would say nothing but that.
 */
import { broken, type Chapter, type Check, type Fault, failed, ok, verdictOf } from '../check.js';
import { mustHold } from '../judge-entity.js';
import { mustBe, mustBeAccepted, resultOf, versionMade } from '../judge-push.js';
import { takeOverAs } from '../take-over.js';
import { TestOutlet } from '../test-outlet.js';
import { nameOf, withOther, withOtherApart } from '../with-other.js';
import { othersRows } from './others-rows.js';

const LIVING = {
  where: 'What the cloud must do, 7',
  says: 'Each outlet has its own: the install_id, epoch and seq of another one decide nothing.',
};

/** A create of one outlet behind a push of the other. */
async function pushBehind(outlet: TestOutlet, other: TestOutlet, seq?: string): Promise<Fault | undefined> {
  const create = outlet.change('create', outlet.freshId(), null, seq === undefined ? {} : { seq });
  const pushed = await outlet.push([create]);
  const forked = pushed.reply.kind === 'answer' && pushed.reply.status === 409;
  const what = `a push of ${nameOf(outlet)} behind one of ${nameOf(other)}`;
  return forked
    ? broken(`${what} was answered 409, as if one were a copy of the other`, pushed)
    : mustBeAccepted(pushed, create, what);
}

const sideBySide: Check = {
  name: 'two outlets push in turn, each with its own install_id and epoch',
  contract: LIVING,
  run: withOther(async (outlet, other) => {
    other.capabilities = outlet.capabilities;
    const taken = await takeOverAs(other, '--other-key-file');
    const fault =
      taken.kind === 'fail'
        ? { ...taken, why: `${nameOf(other)}: ${taken.why}` }
        : ((await pushBehind(other, outlet)) ?? (await pushBehind(outlet, other)));
    if (fault === undefined) return taken;
    outlet.other = { none: 'the two outlets cannot push in turn' };
    return failed(fault);
  }),
};

const sameSeq: Check = {
  name: 'the same epoch and seq of two outlets are no fork',
  contract: LIVING,
  run: withOther(async (outlet, other) => {
    const epoch = Math.max(outlet.epoch, other.epoch) + 1;
    outlet.epoch = epoch;
    other.epoch = epoch;
    const create = outlet.change('create', outlet.freshId(), null);
    const pushed = await outlet.push([create]);
    return verdictOf([
      mustBeAccepted(pushed, create, `a create of ${nameOf(outlet)}`),
      await pushBehind(other, outlet, create.seq),
    ]);
  }),
};

const sameBatch: Check = {
  name: 'an Idempotency-Key that the other outlet used answers nothing',
  contract: {
    where: 'POST {base}/sync/push',
    says: 'The answer is 200 with exactly one result for every change, in any order:',
  },
  run: withOther(async (outlet, other) => {
    const batchId = outlet.freshId();
    const create = outlet.change('create', outlet.freshId(), null);
    const others = other.change('create', other.freshId(), null);
    const first = await outlet.push([create], { batchId });
    const second = await other.push([others], { batchId });
    return verdictOf([
      mustBeAccepted(first, create, `a create of ${nameOf(outlet)}`),
      mustBeAccepted(
        second,
        others,
        `a create of ${nameOf(other)} under the Idempotency-Key that ${nameOf(outlet)} used`,
      ),
    ]);
  }),
};

const sameChange: Check = {
  name: 'a change_id that the other outlet used settles no row that is not there',
  contract: {
    where: 'What the cloud must do, 1',
    says: "A change_id that another outlet used (a copied database) makes no duplicate: reject that change, or apply it to this outlet's row.",
  },
  run: withOtherApart(async (outlet, other) => {
    const create = outlet.change('create', outlet.freshId(), null);
    const copied = { ...other.change('create', create.entity_id, null), change_id: create.change_id };
    const first = await outlet.push([create]);
    const second = await other.push([copied]);
    const what = `the change_id that ${nameOf(outlet)} used, pushed by ${nameOf(other)},`;
    const status = resultOf(second, copied)?.status;
    const settled = status === 'accepted' || status === 'duplicate';
    const asked = settled ? await other.entity(copied.entity_id) : undefined;
    const held = { version: versionMade(second, copied), row: copied.data };
    const missing = asked && mustHold(asked, `the row of ${nameOf(other)}`, copied.entity_id, held);
    const kept = await outlet.entity(create.entity_id);
    return verdictOf([
      mustBeAccepted(first, create, `a create of ${nameOf(outlet)}`),
      mustBe(second, copied, what, ['accepted', 'rejected', 'conflict', 'duplicate']),
      missing && broken(`${what} was answered "${status}", but ${missing.why}: it would be missing for good`, second),
      mustHold(kept, `the row of ${nameOf(outlet)}`, create.entity_id, {
        version: versionMade(first, create),
        row: create.data,
      }),
    ]);
  }),
};

const keyReach: Check = {
  name: 'the key of one outlet is tried on the other: noted, for the contract leaves it open',
  contract: { where: 'Conventions', says: 'X-API-Key, X-Outlet-ID on every request' },
  run: withOtherApart(async (outlet, other) => {
    const { apiKey } = other.options;
    if (apiKey === outlet.options.apiKey) return ok('both outlets have the same key');
    const create = outlet.change('create', outlet.freshId(), null);
    const pushed = await outlet.push([create]);
    const intruder = new TestOutlet({ ...outlet.options, apiKey }, `with the X-API-Key of ${nameOf(other)}`);
    const { reply } = await intruder.entity(create.entity_id);
    const opens = reply.kind === 'answer' && reply.status === 200 ? 'opens' : 'does not open';
    const note = `the key of ${nameOf(other)} ${opens} ${nameOf(outlet)}`;
    return verdictOf([mustBeAccepted(pushed, create, `a create of ${nameOf(outlet)}`)], note);
  }),
};

export const others: Chapter = {
  title: 'Two outlets',
  needsRows: true,
  leftOut: ({ other }) => ('none' in other ? other.none : undefined),
  checks: [sideBySide, sameSeq, sameBatch, sameChange, ...othersRows, keyReach],
};
