/** What a delete leaves: a tombstone that has a version like a row, and over which a row may be made anew. */
import { type Chapter, type Check, verdictOf } from '../check.js';
import { mustHaveVersion, mustHold } from '../judge-entity.js';
import { mustBeAccepted, mustConflict, versionMade } from '../judge-push.js';
import type { TestOutlet } from '../test-outlet.js';

const DELETE = {
  where: 'What the cloud must do, 3',
  says: 'A delete leaves a tombstone, which has a version like a row.',
};
const TOMBSTONE = {
  where: 'What the cloud must do, 4',
  says: "Accept when the entity's version (tombstones count) equals base_cloud_version; null matches only where there is neither row nor tombstone.",
};

async function deletedRow(outlet: TestOutlet) {
  const id = outlet.freshId();
  const create = outlet.change('create', id, null);
  const first = await outlet.push([create]);
  const base = versionMade(first, create);
  const remove = outlet.change('delete', id, base);
  const second = await outlet.push([remove]);
  const made = versionMade(second, remove);
  const faults = [mustBeAccepted(first, create, 'the create'), mustBeAccepted(second, remove, 'the delete')];
  return { id, base, made, faults, tombstone: { version: made, row: null } };
}

const leaves: Check = {
  name: 'a delete is accepted, and GET then shows deleted true',
  contract: DELETE,
  async run(outlet) {
    const { id, faults, tombstone } = await deletedRow(outlet);
    return verdictOf([
      ...faults,
      mustHold(await outlet.entity(id), 'the deleted row', id, tombstone),
      mustHaveVersion(await outlet.version(id), 'the deleted row', tombstone.version),
    ]);
  },
};

const unknown: Check = {
  name: 'a delete of what the cloud does not have is accepted, with version 1',
  contract: {
    where: 'What the cloud must do, 3',
    says: 'A delete of what the cloud does not have is accepted and leaves a tombstone of version 1',
  },
  async run(outlet) {
    const id = outlet.freshId();
    const remove = outlet.change('delete', id, null);
    const pushed = await outlet.push([remove]);
    return verdictOf([
      mustBeAccepted(pushed, remove, 'the delete of an unknown row', 1),
      mustHold(await outlet.entity(id), 'its tombstone', id, { version: 1, row: null }),
    ]);
  },
};

const twice: Check = {
  name: 'a delete of what is deleted is accepted and changes nothing',
  contract: {
    where: 'What the cloud must do, 3',
    says: 'a delete of a tombstone is accepted and changes nothing.',
  },
  async run(outlet) {
    const { id, base, made, faults, tombstone } = await deletedRow(outlet);
    const again = outlet.change('delete', id, base);
    const pushed = await outlet.push([again]);
    return verdictOf([
      ...faults,
      mustBeAccepted(pushed, again, `the second delete (on version ${base})`, made),
      mustHold(await outlet.entity(id), 'the tombstone after the second delete', id, tombstone),
    ]);
  },
};

const createOver: Check = {
  name: 'a create with base null over a tombstone is a conflict',
  contract: TOMBSTONE,
  async run(outlet) {
    const { id, faults, tombstone } = await deletedRow(outlet);
    const create = outlet.change('create', id, null);
    const pushed = await outlet.push([create]);
    return verdictOf([...faults, mustConflict(pushed, create, 'a create (base null) over a tombstone', tombstone)]);
  },
};

const createAnew: Check = {
  name: "a create with the tombstone's version as base is accepted",
  contract: TOMBSTONE,
  async run(outlet) {
    const { id, made, faults } = await deletedRow(outlet);
    const create = outlet.change('create', id, made);
    const pushed = await outlet.push([create]);
    const held = { version: versionMade(pushed, create), row: create.data };
    return verdictOf([
      ...faults,
      mustBeAccepted(pushed, create, `the create on the tombstone's version ${made}`),
      mustHold(await outlet.entity(id), 'the row that was made anew', id, held),
    ]);
  },
};

export const deletes: Chapter = {
  title: 'Deletes',
  needsRows: true,
  checks: [leaves, unknown, twice, createOver, createAnew],
};
