/** Each change once for ever: whatever is sent again, in whatever batch, takes effect no second time. */
import { parseError } from '../../cloud/reply.js';
import { broken, type Chapter, type Check, type Fault, verdictOf } from '../check.js';
import { mustHaveVersion, mustHold } from '../judge-entity.js';
import { mustBe, mustBeAccepted, mustConflict, mustHaveMade, resultOf, versionMade } from '../judge-push.js';
import type { Change, PushExchange } from '../test-outlet.js';

const ONCE = {
  where: 'What the cloud must do, 1',
  says: 'Remember every applied change_id, for 400 days at least, with the version that it made. Answer a second one duplicate with that version, not the current one.',
};
const AGAIN = {
  where: 'What the cloud must do, 1',
  says: 'A change that was answered conflict, held or rejected was not applied; it may come again under its id.',
};

const sameChange: Check = {
  name: 'a change_id that comes again is a duplicate, with the same version',
  contract: ONCE,
  async run(outlet) {
    const change = outlet.change('create', outlet.freshId(), null);
    const first = await outlet.push([change]);
    const second = await outlet.push([change]);
    const version = versionMade(first, change);
    return verdictOf([
      mustBeAccepted(first, change, 'the create'),
      mustBe(second, change, 'the same change in another batch', ['duplicate']),
      mustHaveMade(second, change, 'the duplicate', version),
      mustHaveVersion(await outlet.version(change.entity_id), 'the row after the duplicate', version),
    ]);
  },
};

const sameBatch: Check = {
  name: 'a batch that comes again under its Idempotency-Key changes nothing',
  contract: {
    where: 'POST {base}/sync/push',
    says: 'uuid, new for every composition. Only a resend of the very same changes repeats it',
  },
  async run(outlet) {
    const change = outlet.change('create', outlet.freshId(), null);
    const batchId = outlet.freshId();
    const first = await outlet.push([change], { batchId });
    const second = await outlet.push([change], { batchId });
    const version = versionMade(first, change);
    return verdictOf([
      mustBeAccepted(first, change, 'the create'),
      mustBe(second, change, 'the resent create', ['duplicate', 'accepted']),
      mustHaveMade(second, change, 'the resent create', version),
      mustHaveVersion(await outlet.version(change.entity_id), 'the row after the resend', version),
    ]);
  },
};

const ownVersion: Check = {
  name: 'a duplicate tells the version that it made, not the current one',
  contract: ONCE,
  async run(outlet) {
    const id = outlet.freshId();
    const create = outlet.change('create', id, null);
    const first = await outlet.push([create]);
    const made = versionMade(first, create);
    const update = outlet.change('update', id, made, { data: outlet.options.row.text(id, { name: '"later"' }) });
    const second = await outlet.push([update]);
    const again = await outlet.push([create]);
    const current = { version: versionMade(second, update), row: update.data };
    return verdictOf([
      mustBeAccepted(first, create, 'the create'),
      mustBeAccepted(second, update, 'the update'),
      mustBe(again, create, 'the create that came again after the update', ['duplicate']),
      mustHaveMade(again, create, 'the create that came again after the update', made),
      mustHold(await outlet.entity(id), 'the row after the duplicate', id, current),
    ]);
  },
};

const oldDelete: Check = {
  name: 'a delete that comes again is a duplicate, and takes no later row away',
  contract: ONCE,
  async run(outlet) {
    const id = outlet.freshId();
    const create = outlet.change('create', id, null);
    const first = await outlet.push([create]);
    const remove = outlet.change('delete', id, versionMade(first, create));
    const second = await outlet.push([remove]);
    const made = versionMade(second, remove);
    const anew = outlet.change('create', id, made);
    const third = await outlet.push([anew]);
    const again = await outlet.push([remove]);
    return verdictOf([
      mustBeAccepted(first, create, 'the create'),
      mustBeAccepted(second, remove, 'the delete'),
      mustBeAccepted(third, anew, 'the create over the tombstone'),
      mustBe(again, remove, 'the delete that came again', ['duplicate']),
      mustHaveMade(again, remove, 'the delete that came again', made),
      mustHold(await outlet.entity(id), 'the row', id, { version: versionMade(third, anew), row: anew.data }),
    ]);
  },
};

const atOnce: Check = {
  name: 'one batch in four requests at the same time is applied once',
  contract: {
    where: 'What the cloud must do, 9',
    says: 'Apply a change and remember its change_id in one transaction. Commit before you answer.',
  },
  async run(outlet) {
    const change = outlet.change('create', outlet.freshId(), null);
    const batchId = outlet.freshId();
    const send = () => outlet.push([change], { batchId });
    const answers = await Promise.all([send(), send(), send(), send()]);
    const taken = answers.filter((one) => !asksToComeAgain(one));
    const version = taken[0] === undefined ? null : versionMade(taken[0], change);
    const fresh = taken.filter((one) => resultOf(one, change)?.status === 'accepted').length;
    const none = broken('none of the four requests was answered with a result', answers[0] ?? null);
    return verdictOf(
      [
        taken.length === 0 ? none : undefined,
        ...taken.flatMap((one): (Fault | undefined)[] => [
          mustBe(one, change, 'one of the four', ['accepted', 'duplicate']),
          mustHaveMade(one, change, 'one of the four', version),
        ]),
        mustHaveVersion(await outlet.version(change.entity_id), 'the row after four requests', version),
      ],
      taken.length < 4 ? `${4 - taken.length} of 4 were asked to come again` : fresh > 1 ? 'all four accepted' : null,
    );
  },
};

/** What the outlet sends again by itself: somebody else has the lock. */
function asksToComeAgain({ reply }: PushExchange): boolean {
  if (reply.kind === 'none') return false;
  const busy = reply.status === 409 && parseError(reply.body).code !== 'fork';
  return busy || reply.status === 429 || reply.status >= 500;
}

const afterConflict: Check = {
  name: 'a change that was in conflict may come again under its change_id',
  contract: AGAIN,
  async run(outlet) {
    const id = outlet.freshId();
    const create = outlet.change('create', id, null);
    const first = await outlet.push([create]);
    const made = versionMade(first, create);
    const stale = outlet.change('update', id, null);
    const mended: Change = { ...stale, base_cloud_version: made };
    const second = await outlet.push([stale]);
    const third = await outlet.push([mended]);
    return verdictOf([
      mustBeAccepted(first, create, 'the create'),
      mustConflict(second, stale, 'the update that builds on nothing', { version: made, row: create.data }),
      mustBeAccepted(third, mended, 'the same change with the right base_cloud_version'),
    ]);
  },
};

const afterHold: Check = {
  name: 'a change that was held may come again under its change_id',
  contract: AGAIN,
  async run(outlet) {
    const id = outlet.freshId();
    const create = outlet.change('create', id, null);
    const first = await outlet.push([create]);
    const stale = outlet.change('update', id, null);
    const next = outlet.change('update', id, null, { after: stale.change_id });
    const second = await outlet.push([stale, next]);
    const { after: _, ...rest } = next;
    const mended: Change = { ...rest, base_cloud_version: versionMade(first, create) };
    const third = await outlet.push([mended]);
    return verdictOf([
      mustBeAccepted(first, create, 'the create'),
      mustBe(second, next, 'the change after one in conflict', ['held']),
      mustBeAccepted(third, mended, 'the same change without "after", on the right base_cloud_version'),
    ]);
  },
};

const versions: Check = {
  name: 'versions are 1, 2, 3 …, also over a delete',
  contract: {
    where: 'What the cloud must do, 5',
    says: 'Versions rise by one with every accepted change of an entity, the first is 1.',
  },
  async run(outlet) {
    const id = outlet.freshId();
    const faults: (Fault | undefined)[] = [];
    for (const [place, operation] of ['create', 'update', 'update', 'delete', 'create'].entries()) {
      const change = outlet.change(operation, id, place === 0 ? null : place);
      const what = `change ${place + 1} (${operation})`;
      const pushed = await outlet.push([change]);
      faults.push(mustBeAccepted(pushed, change, what, place + 1));
      if (faults.at(-1)) break;
    }
    return verdictOf(faults);
  },
};

export const once: Chapter = {
  title: 'Each change once',
  needsRows: true,
  checks: [sameChange, sameBatch, ownVersion, oldDelete, atOnce, afterConflict, afterHold, versions],
};
