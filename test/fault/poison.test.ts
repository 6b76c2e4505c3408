/**
 * Changes that the cloud does not want, alone or in the middle of a thousand good ones: each is found and set aside by itself,
 * the others pass, and a correction of it supersedes it.
 */
import { Stand } from './stand.js';

const PUSH = { path: '/sync/push' };
const SOON_MS = 20_000;
let stand: Stand;

beforeAll(async () => {
  stand = await Stand.open();
  stand.daemon.start();
  await stand.quiet();
});
afterEach(() => stand.cloud.clearFaults());
afterAll(() => stand?.close());

type Row = { id: string; change_id: string; status: string; retry_count: number; error_message: string | null };

const unsettled = () =>
  stand.query<Row>('SELECT id, change_id, status, retry_count, error_message FROM syncd.unsettled ORDER BY id');

/** Queues changes while syncd is away, so that they meet in full batches; returns the id of one in the middle. */
async function queueCustomers(count = 1_000): Promise<string> {
  await stand.daemon.end();
  await stand.query('DELETE FROM customers');
  await stand.addCustomers(count);
  const rows = await stand.query<{ id: string }>('SELECT id FROM customers WHERE name = $1', [
    `customer ${Math.ceil(count * 0.6)}`,
  ]);
  return (rows[0] as { id: string }).id;
}

/** All is in the cloud but the poison, which has failed; then its correction arrives and settles it too. */
async function expectAloneUntilCorrected(poison: string, reason: RegExp): Promise<void> {
  await stand.until('the poison alone is left', SOON_MS, async () => {
    const rows = await unsettled();
    return rows.length === 1 && rows[0]?.status === 'failed';
  });
  const [failed] = await unsettled();
  expect(failed?.error_message).toMatch(reason);
  const held = (await stand.cloud.entities()).filter((one) => one.entity_type === 'customer' && !one.deleted);
  expect(held).toHaveLength(999);

  await stand.cloud.clearFaults();
  await stand.query("UPDATE customers SET phone = 'corrected' WHERE id = $1", [poison]);
  await stand.until('the correction', SOON_MS, async () => (await unsettled()).length === 0);
  const [settled] = await stand.query<{ settled_as: string; superseded_by: string }>(
    'SELECT settled_as, superseded_by FROM syncd.sync_queue WHERE id = $1',
    [failed?.id],
  );
  const [correction] = await stand.query<{ change_id: string }>(
    "SELECT change_id FROM syncd.sync_queue WHERE entity_id = $1 AND settled_as = 'accepted'",
    [poison],
  );
  expect(settled).toEqual({ settled_as: 'superseded', superseded_by: correction?.change_id });
  expect(await stand.findings({ maySplit: () => true })).toEqual([]);
}

test.each([
  ['rejected for good', { kind: 'reject', retryable: false, code: 'bad_row', message: 'no such price' }, /bad_row/],
  ['answered 422 for its whole batch', { kind: 'status', status: 422 }, /422/],
  ['answered 400 for its whole batch', { kind: 'status', status: 400 }, /400/],
] as const)(
  'a poison change among a thousand, %s, is parked alone',
  async (_, fault, reason) => {
    const poison = await queueCustomers();
    await stand.cloud.addFault({ ...fault, match: { ...PUSH, entity_type: 'customer', entity_id: poison } });
    stand.daemon.start();
    await expectAloneUntilCorrected(poison, reason);
  },
  60_000,
);

test('a change that breaks the cloud (500) is found among others that pass, and spends attempts only then', async () => {
  const poison = await queueCustomers(20);
  await stand.cloud.addFault({
    kind: 'status',
    status: 500,
    match: { ...PUSH, entity_type: 'customer', entity_id: poison },
  });
  stand.daemon.start();
  await stand.until('the others', 40_000, async () => {
    const rows = await unsettled();
    return rows.length === 1 && (rows[0]?.retry_count ?? 0) > 0;
  });
  await stand.cloud.clearFaults();
  await stand.until('the change itself', SOON_MS, async () => (await unsettled()).length === 0);
  expect(await stand.findings({ maySplit: () => true })).toEqual([]);
}, 70_000);

test('a retryable rejection is sent four times in all and then failed; its entity alone waits', async () => {
  await stand.query('DELETE FROM customers');
  await stand.quiet();
  await stand.addCustomers(2);
  await stand.quiet();
  const rows = await stand.query<{ id: string }>('SELECT id FROM customers ORDER BY name');
  const poison = rows[0]?.id as string;
  await stand.cloud.addFault({ kind: 'reject', retryable: true, match: { ...PUSH, entity_id: poison } });
  await stand.query("UPDATE customers SET phone = 'first'");
  await stand.until('it failed', SOON_MS, async () => (await unsettled())[0]?.status === 'failed');
  const [failed, ...others] = await unsettled();
  expect(others).toEqual([]);
  const sends = (await stand.cloud.ledger()).filter((one) => one.change_id === failed?.change_id);
  expect(sends.map((one) => one.outcome)).toEqual(['rejected', 'rejected', 'rejected', 'rejected']);
  await stand.cloud.clearFaults();
  await stand.query("UPDATE customers SET phone = 'second'");
  await stand.until('the correction', SOON_MS, async () => (await unsettled()).length === 0);
  expect(await stand.findings({ maySplit: () => true })).toEqual([]);
});

test('409 for a batch is retried on the schedule, change by change', async () => {
  await stand.cloud.addFault({ kind: 'status', status: 409, code: 'busy', times: 2, match: PUSH });
  await stand.query('UPDATE products SET price = price + 1 WHERE id = 1');
  await stand.until('an attempt', SOON_MS, async () => (await unsettled())[0]?.retry_count === 1);
  await stand.until('the change', SOON_MS, async () => (await unsettled()).length === 0);
  expect(await stand.findings({ maySplit: () => true })).toEqual([]);
});

test('413 halves a batch until it fits', async () => {
  await stand.daemon.end();
  await stand.addCustomers(200);
  await stand.cloud.addFault({ kind: 'limit', changes: 7, match: PUSH });
  stand.daemon.start();
  await stand.until('all of them', SOON_MS, async () => (await unsettled()).length === 0);
  expect(await stand.findings({ maySplit: () => true })).toEqual([]);
}, 30_000);

test('a change that alone is too large for the cloud fails with that reason, and no other', async () => {
  await stand.cloud.addFault({ kind: 'limit', bytes: 20_000, match: PUSH });
  await stand.query("UPDATE products SET name = repeat('x', 30000) WHERE id = 2");
  await stand.addCustomers(5);
  await stand.until('it failed', SOON_MS, async () => {
    const rows = await unsettled();
    return rows.length === 1 && rows[0]?.status === 'failed';
  });
  expect((await unsettled())[0]?.error_message).toMatch(/too large/);
  await stand.cloud.clearFaults();
  await stand.query("UPDATE products SET name = 'small' WHERE id = 2");
  await stand.until('the correction', SOON_MS, async () => (await unsettled()).length === 0);
  expect(await stand.findings({ maySplit: () => true })).toEqual([]);
});

test('another living copy of this outlet (409 fork) stops pushing, also after a restart', async () => {
  await stand.cloud.addFault({ kind: 'status', status: 409, code: 'fork', times: 1, match: PUSH });
  await stand.addCustomers(1);
  const stopped = async () =>
    (await stand.query('SELECT FROM syncd.outlet_config WHERE stopped_code IS NOT NULL')).length;
  await stand.until('it stopped', SOON_MS, async () => (await stopped()) === 1);
  const { pushes } = await stand.cloud.statistics();
  await stand.daemon.end();
  const before = stand.daemon.words().length;
  stand.daemon.start();
  await stand.addCustomers(1);
  const said = () => stand.daemon.words().slice(before).includes('pushing has stopped');
  await stand.until('the new run knows it too', SOON_MS, said);
  expect((await stand.cloud.statistics()).pushes).toBe(pushes);
  expect((await unsettled()).map((row) => row.status)).toEqual(['pending', 'pending']);
});
