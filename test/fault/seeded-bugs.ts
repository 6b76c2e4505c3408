/**
 * Bugs that an outlet could have, each played on the evidence of an honest run, and what the convergence checker has to say
 * about it.
 */
import type { Evidence } from '../support/convergence/evidence.js';
import type { FindingKind } from '../support/convergence/judge.js';

type One = Evidence['deliveries'][number];

/** The place of the last effect that `is`, so that there is a history before it. */
function lastEffect({ deliveries }: Evidence, is: (one: One) => boolean): number {
  // A transaction of which something was sent back may lawfully arrive in pieces: no bug would show there.
  const pieces = new Set(deliveries.filter((one) => one.outcome !== 'accepted').map((one) => one.tx));
  const at = deliveries.findLastIndex((one) => one.outcome === 'accepted' && !pieces.has(one.tx) && is(one));
  if (at < 0) throw new Error('the run brought no such change');
  return at;
}

/** Others of its transaction stand before it: alone it could be neither early nor apart. */
const follows =
  ({ deliveries }: Evidence, entity_type: string) =>
  (one: One) =>
    one.entity_type === entity_type && deliveries.findIndex(({ tx }) => tx === one.tx) < deliveries.indexOf(one);

const swap = <T>(list: T[], a: number, b: number) => ([list[a], list[b]] = [list[b] as T, list[a] as T]);
const updates = (entity_type: string) => (one: One) => one.entity_type === entity_type && one.operation === 'update';

/** Its name, the kinds of findings that have to be among those made, and the tampering. */
export const SEEDED_BUGS: [string, FindingKind[], (copy: Evidence) => void][] = [
  [
    'a change is left out of its batch and settled all the same',
    ['lost', 'unproven'],
    (copy) => void copy.deliveries.splice(lastEffect(copy, updates('stock')), 1),
  ],
  [
    'a batch that timed out is dropped',
    ['lost'],
    (copy) => {
      const batch = copy.deliveries[lastEffect(copy, updates('stock'))]?.batch_id;
      const gone = new Set(copy.deliveries.filter((one) => one.batch_id === batch).map((one) => one.change_id));
      copy.deliveries = copy.deliveries.filter((one) => !gone.has(one.change_id));
      copy.settled = copy.settled.filter((one) => !gone.has(one.change_id));
    },
  ],
  [
    'an answer is taken for an ack without being read',
    ['unproven'],
    (copy) => {
      for (const one of copy.deliveries) if (one.request === copy.deliveries.at(-1)?.request) one.delivered = false;
    },
  ],
  [
    'two changes of one entity are swapped',
    ['out_of_order'],
    (copy) => {
      const second = lastEffect(copy, updates('stock'));
      const { entity_id } = copy.deliveries[second] as One;
      const first = lastEffect(
        { ...copy, deliveries: copy.deliveries.slice(0, second) },
        (one) => one.entity_type === 'stock' && one.entity_id === entity_id,
      );
      const [early, late] = [copy.deliveries[first] as One, copy.deliveries[second] as One];
      [early.cloud_version, late.cloud_version] = [late.cloud_version, early.cloud_version];
      swap(copy.deliveries, first, second);
    },
  ],
  [
    'a change is sent again under a new id after its ack was lost',
    ['doubled'],
    (copy) => {
      const at = lastEffect(copy, updates('stock'));
      const one = copy.deliveries[at] as One;
      copy.deliveries.splice(at + 1, 0, {
        ...one,
        change_id: 'aaaaaaaa-0000-4000-8000-000000000000',
        cloud_version: (one.cloud_version ?? 0) + 1,
      });
    },
  ],
  [
    'a change id takes effect a second time',
    ['doubled'],
    (copy) => {
      const one = copy.deliveries[lastEffect(copy, updates('stock'))] as One;
      copy.deliveries.push({ ...one, cloud_version: (one.cloud_version ?? 0) + 1 });
    },
  ],
  [
    'one digit of an amount is altered on the way',
    ['different'],
    (copy) => {
      const one = copy.deliveries[lastEffect(copy, (change) => change.entity_type === 'payment')] as One;
      one.data = (one.data as string).replace(/"amount":(\d)/, (_, digit) => `"amount":${(Number(digit) + 1) % 10}`);
    },
  ],
  [
    'a 64-bit number passes through a double',
    ['different'],
    (copy) => {
      const beyond = /"trace":(\d{16,})/;
      const rounded = (change: One) => String(BigInt(Number(beyond.exec(change.data ?? '')?.[1] ?? 0)));
      const at = lastEffect(
        copy,
        (change) => !change.data?.includes(rounded(change)) && beyond.test(change.data ?? ''),
      );
      const one = copy.deliveries[at] as One;
      one.data = (one.data as string).replace(beyond, `"trace":${rounded(one)}`);
    },
  ],
  [
    'a column is left out',
    ['different'],
    (copy) => {
      const one = copy.deliveries[lastEffect(copy, updates('order'))] as One;
      // A note may hold quotes, escaped: antar ke meja 4 "teras".
      one.data = (one.data as string).replace(/"note":(null|"(?:[^"\\]|\\.)*"),/, '');
    },
  ],
  [
    'a sale that was rolled back arrives',
    ['phantom'],
    (copy) => {
      const one = copy.deliveries[lastEffect(copy, updates('stock'))] as One;
      copy.deliveries.push({ ...phantom(one), tx: '4294967000' });
    },
  ],
  [
    'a change that its transaction never made arrives',
    ['phantom'],
    (copy) => {
      const at = lastEffect(copy, updates('stock'));
      const one = copy.deliveries[at] as One;
      copy.deliveries.splice(at + 1, 0, { ...phantom(one), operation: 'delete', data: null, tx: one.tx });
    },
  ],
  [
    'the changes of a transaction arrive in another order',
    ['out_of_order'],
    (copy) => {
      const last = lastEffect(copy, follows(copy, 'payment'));
      const first = copy.deliveries.findIndex((one) => one.tx === copy.deliveries[last]?.tx);
      swap(copy.deliveries, first, last);
    },
  ],
  [
    'a transaction is split over two requests',
    ['out_of_order'],
    (copy) => {
      const last = lastEffect(copy, follows(copy, 'payment'));
      for (const one of copy.deliveries.slice(last)) one.request += 1;
    },
  ],
  [
    'a child arrives in a transaction before that of its parent',
    ['out_of_order'],
    (copy) => {
      const child = lastEffect(copy, (one) => one.entity_type === 'payment');
      const order = JSON.parse(copy.deliveries[child]?.data ?? '').order_id as string;
      const parent = copy.deliveries.findIndex((one) => one.entity_id === order);
      const [moved] = copy.deliveries.splice(parent, 1);
      copy.deliveries.push(moved as One);
    },
  ],
  [
    'the version of an entity goes down',
    ['out_of_order'],
    (copy) => {
      (copy.deliveries[lastEffect(copy, updates('stock'))] as One).cloud_version = 1;
    },
  ],
  [
    'an epoch that is over goes on pushing',
    ['out_of_order'],
    (copy) => {
      for (const one of copy.deliveries.slice(0, -1)) one.epoch = 2;
    },
  ],
  [
    'a seq is given to a second change',
    ['doubled'],
    (copy) => {
      const [first, second] = copy.deliveries.slice(-2) as [One, One];
      second.seq = first.seq;
    },
  ],
  [
    'a late update brings a deleted entity back to life',
    ['different', 'doubled'],
    (copy) => {
      const at = lastEffect(copy, (one) => one.operation === 'delete' && one.entity_type === 'order');
      const gone = copy.deliveries[at] as One;
      const before = copy.deliveries.find((one) => one.entity_id === gone.entity_id) as One;
      copy.deliveries.push({
        ...phantom(before),
        tx: before.tx,
        request: before.request,
        cloud_version: (gone.cloud_version ?? 0) + 1,
      });
      const held = copy.entities.find((one) => one.entity_id === gone.entity_id);
      Object.assign(held ?? {}, { deleted: false, data: before.data });
    },
  ],
  [
    'the last update of a row is lost in the cloud after it was acknowledged',
    ['different'],
    (copy) => {
      const { entity_id } = copy.deliveries[lastEffect(copy, updates('stock'))] as One;
      const created = copy.deliveries.find((one) => one.entity_id === entity_id && one.entity_type === 'stock');
      const held = copy.entities.find((one) => one.entity_id === entity_id && one.entity_type === 'stock');
      Object.assign(held ?? {}, { data: created?.data });
    },
  ],
];

/** The same change under another id and a place of its own, one version later. */
function phantom(one: One): One {
  return {
    ...one,
    change_id: 'aaaaaaaa-0000-4000-8000-000000000001',
    seq: '999999999',
    cloud_version: (one.cloud_version ?? 0) + 1,
  };
}
