/** The optimistic lock: what builds on the cloud's version goes through, what does not shows what the cloud has instead. */
import { type Chapter, type Check, verdictOf } from '../check.js';
import { mustHold } from '../judge-entity.js';
import { mustBe, mustBeAccepted, mustConflict, versionMade } from '../judge-push.js';
import type { TestOutlet } from '../test-outlet.js';

const LOCK = {
  where: 'What the cloud must do, 4',
  says: "Accept when the entity's version (tombstones count) equals base_cloud_version; null matches only where there is neither row nor tombstone.",
};
const SUPERSEDES = {
  where: 'What the cloud must do, 4',
  says: 'Accept also when the version is the one that a change in supersedes made.',
};
const UPSERT = { where: 'What the cloud must do, 3', says: 'create and update both store the whole row.' };
const AFTER = {
  where: 'What the cloud must do, 4',
  says: 'With after, ignore base_cloud_version: the version must be the one that the named change made; if that change was neither accepted nor a duplicate, answer held.',
};

/** A row at its second version. */
async function updatedRow(outlet: TestOutlet) {
  const id = outlet.freshId();
  const create = outlet.change('create', id, null);
  const first = await outlet.push([create]);
  const base = versionMade(first, create);
  const update = outlet.change('update', id, base, { data: outlet.options.row.text(id, { name: '"by the update"' }) });
  const second = await outlet.push([update]);
  const made = versionMade(second, update);
  const faults = [mustBeAccepted(first, create, 'the create'), mustBeAccepted(second, update, 'the update')];
  return { id, create, update, base, made, faults, holds: { version: made, row: update.data } };
}

const stale: Check = {
  name: 'an update on an older version is a conflict with the current row',
  contract: LOCK,
  async run(outlet) {
    const { id, base, faults, holds } = await updatedRow(outlet);
    const late = outlet.change('update', id, base, { data: outlet.options.row.text(id, { name: '"too late"' }) });
    const pushed = await outlet.push([late]);
    return verdictOf([
      ...faults,
      mustConflict(pushed, late, `an update on version ${base} where the cloud has ${holds.version}`, holds),
      mustHold(await outlet.entity(id), 'the row after the conflict', id, holds),
    ]);
  },
};

const nullBase: Check = {
  name: 'a create where the cloud has the row already is a conflict',
  contract: LOCK,
  async run(outlet) {
    const { id, faults, holds } = await updatedRow(outlet);
    const again = outlet.change('create', id, null);
    const pushed = await outlet.push([again]);
    return verdictOf([...faults, mustConflict(pushed, again, 'a create (base null) of an existing row', holds)]);
  },
};

const nothingThere: Check = {
  name: 'an update where the cloud has nothing is a conflict with version 0',
  contract: {
    where: 'POST {base}/sync/push',
    says: 'with neither row nor tombstone {cloud_version: 0, deleted: true, data: null}',
  },
  async run(outlet) {
    const update = outlet.change('update', outlet.freshId(), 3);
    const pushed = await outlet.push([update]);
    const held = { version: 0, row: null };
    return verdictOf([mustConflict(pushed, update, 'an update on version 3 of what the cloud does not have', held)]);
  },
};

const staleDelete: Check = {
  name: 'a delete on an older version is a conflict too',
  contract: LOCK,
  async run(outlet) {
    const { id, base, faults, holds } = await updatedRow(outlet);
    const remove = outlet.change('delete', id, base);
    const pushed = await outlet.push([remove]);
    return verdictOf([...faults, mustConflict(pushed, remove, `a delete on version ${base}`, holds)]);
  },
};

const chain: Check = {
  name: 'in one batch, changes "after" one another are all accepted',
  contract: AFTER,
  async run(outlet) {
    const id = outlet.freshId();
    const create = outlet.change('create', id, null);
    const second = outlet.change('update', id, null, { after: create.change_id, version: 2 });
    const third = outlet.change('update', id, null, { after: second.change_id, version: 3 });
    const pushed = await outlet.push([create, second, third]);
    return verdictOf([
      mustBeAccepted(pushed, create, 'the create'),
      mustBeAccepted(pushed, second, 'the update after the create'),
      mustBeAccepted(pushed, third, 'the update after that update'),
    ]);
  },
};

const afterDuplicate: Check = {
  name: '"after" may name a change that was applied before',
  contract: AFTER,
  async run(outlet) {
    const id = outlet.freshId();
    const create = outlet.change('create', id, null);
    const next = outlet.change('update', id, null, { after: create.change_id });
    const first = await outlet.push([create]);
    const second = await outlet.push([create, next]);
    return verdictOf([
      mustBeAccepted(first, create, 'the create'),
      mustBe(second, create, 'the create that came again', ['duplicate']),
      mustBeAccepted(second, next, 'the update after the duplicate'),
    ]);
  },
};

const afterOvertaken: Check = {
  name: '"after" does not help where yet another change came after it',
  contract: AFTER,
  async run(outlet) {
    const { id, create, made, faults, holds } = await updatedRow(outlet);
    const next = outlet.change('update', id, made, { after: create.change_id });
    const pushed = await outlet.push([create, next]);
    return verdictOf([
      ...faults,
      mustBe(pushed, create, 'the create that came again', ['duplicate']),
      mustConflict(pushed, next, 'a change after that create, with an update between them', holds),
      mustHold(await outlet.entity(id), 'the row after the conflict', id, holds),
    ]);
  },
};

const updateOfNothing: Check = {
  name: 'an update with base null of what the cloud does not have is accepted',
  contract: UPSERT,
  async run(outlet) {
    const id = outlet.freshId();
    const update = outlet.change('update', id, null, { supersedes: [outlet.freshId()] });
    const pushed = await outlet.push([update]);
    const held = { version: 1, row: update.data };
    return verdictOf([
      mustBeAccepted(pushed, update, 'an update whose create never arrived', 1),
      mustHold(await outlet.entity(id), 'the row', id, held),
    ]);
  },
};

const afterFailed: Check = {
  name: '"after" a change that was not accepted is held, nothing applied',
  contract: AFTER,
  async run(outlet) {
    const { id, base, made, faults, holds } = await updatedRow(outlet);
    const late = outlet.change('update', id, base);
    const next = outlet.change('update', id, made, { after: late.change_id });
    const pushed = await outlet.push([late, next]);
    return verdictOf([
      ...faults,
      mustConflict(pushed, late, 'the update on an older version', holds),
      mustBe(pushed, next, 'the change after the one in conflict', ['held']),
      mustHold(await outlet.entity(id), 'the row after both', id, holds),
    ]);
  },
};

const supersedes: Check = {
  name: 'a change that supersedes one that had arrived is accepted',
  contract: SUPERSEDES,
  async run(outlet) {
    const id = outlet.freshId();
    const create = outlet.change('create', id, null);
    const first = await outlet.push([create]);
    const folded = outlet.change('create', id, null, { supersedes: [outlet.freshId(), create.change_id] });
    const second = await outlet.push([folded]);
    return verdictOf([
      mustBeAccepted(first, create, 'the create'),
      mustBeAccepted(second, folded, 'a change (base null) that supersedes that create, and one that never arrived,'),
    ]);
  },
};

const supersedesNothing: Check = {
  name: '"supersedes" does not help where yet another change came after it',
  contract: SUPERSEDES,
  async run(outlet) {
    const { id, create, faults, holds } = await updatedRow(outlet);
    const names = [create.change_id, outlet.freshId()];
    const folded = outlet.change('update', id, null, { supersedes: names });
    const pushed = await outlet.push([folded]);
    const what = 'a change (base null) that supersedes the create, with an update between them';
    return verdictOf([...faults, mustConflict(pushed, folded, what, holds)]);
  },
};

export const lock: Chapter = {
  title: 'The optimistic lock',
  needsRows: true,
  checks: [
    stale,
    nullBase,
    nothingThere,
    updateOfNothing,
    staleDelete,
    chain,
    afterDuplicate,
    afterOvertaken,
    afterFailed,
    supersedes,
    supersedesNothing,
  ],
};
