/**
 * One living copy of an outlet: a restored backup or a copied machine is found out before it overwrites anything. Each check
 * leaves the outlet at the epoch that holds.
 */
import { type Chapter, type Check, verdictOf } from '../check.js';
import { mustBeUnknown } from '../judge-entity.js';
import { mustBe, mustBeAccepted, mustFork } from '../judge-push.js';

const FORK = {
  where: 'What the cloud must do, 7',
  says: 'Answer 409 with {"error":{"code":"fork","message":"…","epoch":n}} to a push with an older epoch, with another install_id at the same epoch, or with a seq that this epoch knows under another change_id. A higher epoch takes over.',
};

const higher: Check = {
  name: 'a higher epoch takes over, with another install_id',
  contract: FORK,
  async run(outlet) {
    outlet.epoch += 1;
    outlet.installId = outlet.freshId();
    const change = outlet.change('create', outlet.freshId(), null);
    const pushed = await outlet.push([change]);
    return verdictOf([mustBeAccepted(pushed, change, `the create at epoch ${outlet.epoch}`)]);
  },
};

const anew: Check = {
  name: 'under a higher epoch a seq may come again, and what was applied stays so',
  contract: FORK,
  async run(outlet) {
    const lost = outlet.change('create', outlet.freshId(), null);
    const kept = outlet.change('create', outlet.freshId(), null);
    const before = await outlet.push([lost, kept]);
    outlet.epoch += 1;
    const other = outlet.change('create', outlet.freshId(), null, { seq: lost.seq });
    const after = await outlet.push([other, kept]);
    return verdictOf([
      mustBeAccepted(before, lost, 'a create'),
      mustBeAccepted(before, kept, 'a create'),
      mustBeAccepted(after, other, `another change with the seq ${lost.seq}, as after the restore of a backup,`),
      mustBe(after, kept, 'a change of the epoch before that comes again', ['duplicate']),
    ]);
  },
};

const older: Check = {
  name: 'a push with an older epoch is 409 fork, nothing applied',
  contract: FORK,
  async run(outlet) {
    const { epoch } = outlet;
    const change = outlet.change('create', outlet.freshId(), null);
    const pushed = await outlet.push([change], { epoch: epoch - 1 });
    return verdictOf([
      mustFork(pushed, `a push at epoch ${epoch - 1}`, epoch),
      mustBeUnknown(await outlet.entity(change.entity_id), 'a row of the refused push'),
    ]);
  },
};

const otherInstall: Check = {
  name: 'another install_id at the same epoch is 409 fork, nothing applied',
  contract: FORK,
  async run(outlet) {
    const change = outlet.change('create', outlet.freshId(), null);
    const pushed = await outlet.push([change], { installId: outlet.freshId() });
    return verdictOf([
      mustFork(pushed, 'a push of another install', outlet.epoch),
      mustBeUnknown(await outlet.entity(change.entity_id), 'a row of the refused push'),
    ]);
  },
};

const sameSeq: Check = {
  name: 'a seq that is known under another change_id is 409 fork',
  contract: FORK,
  async run(outlet) {
    const first = outlet.change('create', outlet.freshId(), null);
    const copied = outlet.change('create', outlet.freshId(), null, { seq: first.seq });
    const pushed = await outlet.push([first]);
    const refused = await outlet.push([copied]);
    return verdictOf([
      mustBeAccepted(pushed, first, 'the create'),
      mustFork(refused, `another change with the seq ${first.seq}`, outlet.epoch),
      mustBeUnknown(await outlet.entity(copied.entity_id), 'a row of the refused push'),
    ]);
  },
};

const goesOn: Check = {
  name: 'the living copy goes on after all of that',
  contract: FORK,
  async run(outlet) {
    const change = outlet.change('create', outlet.freshId(), null);
    const pushed = await outlet.push([change]);
    return verdictOf([mustBeAccepted(pushed, change, `a create at epoch ${outlet.epoch}`)]);
  },
};

export const fork: Chapter = {
  title: 'One living copy',
  needsRows: true,
  checks: [higher, anew, older, otherInstall, sameSeq, goesOn],
};
