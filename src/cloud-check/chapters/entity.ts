/** One entity, as the outlet asks for it after a hint, for a missing parent, or by hand. */
import { parseObject } from '../../cloud/reply.js';
import { broken, type Chapter, type Check, verdictOf } from '../check.js';
import { mustBeUnknown, mustHaveVersion, mustHold } from '../judge-entity.js';
import { mustBeAccepted, resultOf, versionMade } from '../judge-push.js';
import { otherTime } from '../judge-time.js';
import { longAgo } from '../long-ago.js';
import type { TestOutlet } from '../test-outlet.js';

const ENTITY = {
  where: 'GET {base}/entities/{type}/{id}',
  says: 'One row as in a page, with deleted, or 404; {"cloud_version": 4}.',
};

async function pushed(outlet: TestOutlet) {
  const id = outlet.freshId();
  const create = outlet.change('create', id, null);
  const exchange = await outlet.push([create]);
  const held = { version: versionMade(exchange, create), row: create.data };
  return { id, held, fault: mustBeAccepted(exchange, create, 'the create') };
}

const row: Check = {
  name: 'GET /entities/{type}/{id} gives the row as it was sent',
  contract: ENTITY,
  async run(outlet) {
    const { id, held, fault } = await pushed(outlet);
    return verdictOf([fault, mustHold(await outlet.entity(id), 'the row', id, held)]);
  },
};

const version: Check = {
  name: 'GET /entities/{type}/{id}/version gives its cloud_version',
  contract: ENTITY,
  async run(outlet) {
    const { id, held, fault } = await pushed(outlet);
    return verdictOf([fault, mustHaveVersion(await outlet.version(id), 'the row', held.version)]);
  },
};

const madeAt: Check = {
  name: 'updated_at is when the edit was made, not when it arrived',
  contract: { where: 'GET {base}/sync/changes', says: 'updated_at is when the winning edit was made.' },
  async run(outlet) {
    const id = outlet.freshId();
    const changed_at = longAgo();
    const create = outlet.change('create', id, null, { changed_at });
    const exchange = await outlet.push([create]);
    const asked = await outlet.entity(id);
    const told = asked.reply.kind === 'answer' ? parseObject(asked.reply.body)?.updated_at : undefined;
    const why = otherTime(changed_at, told);
    const stale = outlet.change('update', id, null);
    const refused = await outlet.push([stale]);
    const result = resultOf(refused, stale);
    const wrong = result?.status === 'conflict' ? otherTime(changed_at, result.current.updated_at) : undefined;
    return verdictOf([
      mustBeAccepted(exchange, create, 'an old edit'),
      why === undefined ? undefined : broken(why, asked),
      wrong === undefined ? undefined : broken(`in a conflict ${wrong}`, refused),
    ]);
  },
};

const unknown: Check = {
  name: 'what the cloud does not have is answered 404, row and version',
  contract: ENTITY,
  async run(outlet) {
    const id = outlet.freshId();
    return verdictOf([
      mustBeUnknown(await outlet.entity(id), 'a row that was never pushed'),
      mustBeUnknown(await outlet.version(id), 'the version of a row that was never pushed'),
    ]);
  },
};

export const entity: Chapter = { title: 'One entity', needsRows: true, checks: [row, version, madeAt, unknown] };
