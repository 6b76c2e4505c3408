/**
 * Bugs that an outlet could have on the way in, each played on the evidence of an honest run in both directions, and what the
 * convergence checker has to say about it.
 */
import type { Evidence } from '../support/convergence/evidence.js';
import type { FindingKind } from '../support/convergence/judge.js';

type Commit = Evidence['committed'][number];
type Named = { entity_type: string; entity_id: string };

const same = (one: Named) => (other: Named) =>
  one.entity_type === other.entity_type && one.entity_id === other.entity_id;
const found = <T>(what: T | undefined): T => {
  if (what === undefined) throw new Error('the run brought no such thing');
  return what;
};

/** Commits that an applying transaction made, of entities that never were in conflict. */
function applied({ committed, conflicts }: Evidence, is: (commit: Commit) => boolean = () => true): Commit[] {
  return committed.filter((one) => one.by === 'syncd' && !conflicts.some(same(one)) && is(one));
}

const lastVersion = ({ feed }: Evidence, of: Named) => found(feed.findLast(same(of))).cloud_version;
/** The shop changed it again after the cloud's change had come. */
const followed = ({ committed }: Evidence, one: Commit) =>
  committed.slice(committed.indexOf(one) + 1).some((later) => later.by === 'pos' && same(one)(later));

/** Its name, the kinds of findings that have to be among those made, and the tampering. */
export const SEEDED_BUGS_INCOMING: [string, FindingKind[], (copy: Evidence) => void][] = [
  [
    'what was applied is pushed back',
    ['echo'],
    (copy) => {
      const one = found(applied(copy, (commit) => commit.operation === 'update').at(-1));
      copy.deliveries.push({
        ...found(copy.deliveries.at(-1)),
        change_id: 'aaaaaaaa-0000-4000-8000-000000000000',
        seq: '999999999',
        tx: one.tx,
        entity_type: one.entity_type,
        entity_id: one.entity_id,
        operation: one.operation,
        data: one.data,
        outcome: 'accepted',
        supersedes: [],
        cloud_version: lastVersion(copy, one) + 1,
      });
    },
  ],
  [
    'the cursor is stored before its page, and a kill comes between',
    ['unseen'],
    (copy) => {
      const page = new Set(applied(copy).slice(-5));
      copy.committed = copy.committed.filter((one) => !page.has(one));
    },
  ],
  [
    'an incoming change is dropped',
    ['unseen'],
    (copy) => {
      const one = found(applied(copy, (commit) => !followed(copy, commit)).at(-1));
      copy.committed.splice(copy.committed.indexOf(one), 1);
    },
  ],
  [
    'an incoming change is dropped, and the shop overwrites it',
    ['unseen'],
    (copy) => {
      const one = found(applied(copy, (commit) => followed(copy, commit)).at(-1));
      copy.committed.splice(copy.committed.indexOf(one), 1);
    },
  ],
  [
    'a deletion of head office is not carried out',
    ['unseen'],
    (copy) => {
      const one = found(applied(copy, (commit) => commit.operation === 'delete').at(-1));
      copy.committed.splice(copy.committed.indexOf(one), 1);
    },
  ],
  [
    'a stale version is applied',
    ['out_of_order'],
    (copy) => {
      const one = found(applied(copy, (commit) => followed(copy, commit)).at(-1));
      copy.committed.push({ ...one, tx: '4294967001' });
    },
  ],
  [
    'one digit is altered on the way in',
    ['unseen'],
    (copy) => {
      const one = found(applied(copy, (commit) => commit.entity_type === 'product' && !followed(copy, commit)).at(-1));
      one.data = found(one.data ?? undefined).replace(
        /"price":"(\d)/,
        (_, digit) => `"price":"${(Number(digit) % 9) + 1}`,
      );
    },
  ],
  [
    'a conflict is swallowed: the cloud wins and nobody is told',
    ['lost'],
    (copy) => {
      const one = found(copy.conflicts.findLast((conflict) => conflict.resolution === 'cloud'));
      copy.conflicts = copy.conflicts.filter((conflict) => !same(one)(conflict));
    },
  ],
  [
    'the record of a conflict names another row than the one that was given up',
    ['lost'],
    (copy) => {
      const one = found(
        copy.conflicts.findLast((conflict) => conflict.resolution === 'cloud' && conflict.local !== null),
      );
      one.local = one.cloud;
    },
  ],
  [
    'a resolution sends another row than the shop holds',
    ['different'],
    (copy) => {
      const ids = new Set(copy.conflicts.map((conflict) => conflict.resolved_change_id));
      const one = found(copy.deliveries.findLast((delivery) => ids.has(delivery.change_id) && delivery.data !== null));
      one.data = found(one.data ?? undefined).replace(/"(name)":"/, '"$1":"? ');
    },
  ],
  [
    'a change takes the place of another one and does not name it',
    ['lost'],
    (copy) => {
      const replaced = new Set(copy.replaced.map((change) => change.change_id));
      const is = (one: Evidence['deliveries'][number]) =>
        one.outcome === 'accepted' && one.supersedes.some((id) => replaced.has(id)) && !copy.conflicts.some(same(one));
      found(copy.deliveries.findLast(is) ?? copy.deliveries.findLast((one) => one.supersedes.length > 0)).supersedes =
        [];
    },
  ],
  [
    'a change lies in conflict and no conflict is open',
    ['unrecorded'],
    (copy) => void copy.held.push(found(copy.settled.at(-1))),
  ],
  [
    'a conflict that the cloud answered comes to nothing',
    ['unrecorded'],
    (copy) => {
      const one = found(copy.deliveries.findLast(({ operation }) => operation === 'update'));
      copy.deliveries.push({
        ...one,
        change_id: 'aaaaaaaa-0000-4000-8000-000000000002',
        seq: '999999998',
        outcome: 'conflict',
        delivered: true,
        cloud_version: null,
        data: found(one.data ?? undefined).replace('{', '{"other":1,'),
        entity_id: 'unheard-of',
      });
    },
  ],
  [
    'a row that the cloud changed is another one in the shop',
    ['different'],
    (copy) => {
      const one = found(copy.entities.findLast((entity) => entity.entity_type === 'product' && !entity.deleted));
      one.data = found(one.data ?? undefined).replace(/"name":"/, '"name":"! ');
    },
  ],
];
