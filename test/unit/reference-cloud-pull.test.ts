/** What an outlet pulls from the reference cloud: order, cursor, visibility, long poll, head office's edits, spoiled pages. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Edit } from '../../src/demo/cloud/edit.js';
import type { CloudOptions } from '../../src/demo/cloud/open.js';
import type { ReferenceCloud } from '../../src/demo/cloud/reference-cloud.js';
import { startReferenceCloud } from '../../src/demo/cloud/server.js';
import { monotonicMs } from '../../src/time.js';
import { eventually } from '../support/eventually.js';
import { call, PretendOutlet } from '../support/pretend-outlet.js';
import { idsOf, type Page, pull } from '../support/pulled-page.js';

const directory = mkdtempSync(join(tmpdir(), 'syncd-feed-'));
const clouds: ReferenceCloud[] = [];
afterAll(async () => {
  await Promise.all(clouds.map((cloud) => cloud.stop()));
  rmSync(directory, { recursive: true });
});
const start = async (options: Partial<CloudOptions> = {}) => {
  const cloud = await startReferenceCloud({ apiKey: 'key', shared: ['product'], ...options });
  clouds.push(cloud);
  return cloud;
};
const untilPolling = (cloud: ReferenceCloud, count: number) =>
  eventually(cloud.polling, (open) => open === count, 'open long polls');
const product = (entity_id: string, more: Partial<Edit> = {}): Edit => ({
  entity_type: 'product',
  entity_id,
  ...(more.patch === undefined && more.operation !== 'delete' ? { data: '{"price":1.10}' } : {}),
  ...more,
});

describe('pages', () => {
  test('changes come in order, page by page, each row as the text that it was', async () => {
    const cloud = await start();
    const outlet = new PretendOutlet(cloud.url);
    const rows = ['{"n": 1.10}', '{"big":123456789012345678901234567890}', '{"t":"é\\n"}'];
    for (const [id, data] of rows.entries()) cloud.edit(product(String(id), { data }));
    cloud.edit(product('0', { operation: 'delete' }));
    const first = await outlet.get('/sync/changes?limit=3');
    for (const row of rows) expect(first.text).toContain(`"data":${row}}`);
    const page = JSON.parse(first.text) as Page;
    expect(page).toMatchObject({ has_more: true, cloud_epoch: expect.any(String), server_time: expect.any(String) });
    expect(page.changes[0]).toEqual({
      entity_type: 'product',
      entity_id: '0',
      cloud_id: 'c-1',
      operation: 'create',
      cloud_version: 1,
      updated_at: expect.any(String) as string,
      origin_outlet_id: null,
      data: { n: 1.1 },
    });
    const rest = await pull(outlet, `cursor=${page.next_cursor}`);
    const gone = { entity_id: '0', operation: 'delete', cloud_version: 2, data: null };
    expect(rest).toMatchObject({ has_more: false, changes: [gone] });
    const none = await pull(outlet, `cursor=${rest.next_cursor}`);
    expect(none).toMatchObject({ changes: [], has_more: false, next_cursor: rest.next_cursor });
  });

  test("an outlet sees the shared types and its own entities, its own pushes too, and no other outlet's", async () => {
    const cloud = await start();
    const [here, there] = [new PretendOutlet(cloud.url, 'here'), new PretendOutlet(cloud.url, 'there')];
    await here.pushOne(here.create('1'));
    await there.pushOne(there.create('2'));
    await there.pushOne(there.create('3', { entity_type: 'product' }));
    cloud.edit({ outlet_id: 'here', entity_type: 'order', entity_id: '4', data: '{}' });
    expect(idsOf(await pull(here))).toEqual(['1', '3', '4']);
    expect((await pull(here)).changes).toMatchObject([
      { origin_outlet_id: 'here' },
      { origin_outlet_id: 'there' },
      { origin_outlet_id: null },
    ]);
    const seen = await pull(there);
    expect(idsOf(seen)).toEqual(['2', '3']);
    cloud.edit({ outlet_id: 'here', entity_type: 'order', entity_id: '5', data: '{}' });
    expect(await pull(there, `cursor=${seen.next_cursor}`)).toMatchObject({ changes: [], has_more: false });
  });

  test('a page ends before its rows grow beyond a megabyte, but never empty', async () => {
    const cloud = await start();
    const outlet = new PretendOutlet(cloud.url);
    for (const [id, size] of [600_000, 600_000, 2_000_000].entries()) {
      cloud.edit(product(String(id), { data: `{"x":"${'x'.repeat(size)}"}` }));
    }
    const sizes: number[] = [];
    for (let query = '', more = true; more; ) {
      const page = await pull(outlet, query);
      sizes.push(page.changes.length);
      query = `cursor=${page.next_cursor}`;
      more = page.has_more;
    }
    expect(sizes).toEqual([1, 1, 1]);
  });

  test('since leaves out what the cloud took before, on the first call alone', async () => {
    const cloud = await start();
    const outlet = new PretendOutlet(cloud.url);
    cloud.edit(product('1'));
    const hour = (ms: number) => new Date(Date.now() + ms).toISOString();
    expect(idsOf(await pull(outlet, `since=${hour(-3_600_000)}`))).toEqual(['1']);
    const late = await pull(outlet, `since=${hour(3_600_000)}`);
    expect(late.changes).toEqual([]);
    cloud.edit(product('2'));
    expect(idsOf(await pull(outlet, `cursor=${late.next_cursor}&since=${hour(3_600_000)}`))).toEqual(['2']);
  });

  test('a cursor behind the horizon is 410, and without one every entity comes once more', async () => {
    const cloud = await start({ horizon: 2 });
    const outlet = new PretendOutlet(cloud.url);
    cloud.edit(product('1'));
    const { next_cursor } = await pull(outlet);
    for (let edit = 0; edit < 1_500; edit++) cloud.edit(product(edit % 2 === 0 ? '1' : '2'));
    expect((await outlet.get(`/sync/changes?cursor=${next_cursor}`)).status).toBe(410);
    const all = await pull(outlet, 'limit=1000');
    expect(new Map(all.changes.map((change) => [change.entity_id, change.cloud_version])).size).toBe(2);
    const near = await pull(outlet, `cursor=${all.next_cursor}`);
    cloud.edit(product('3'));
    cloud.edit(product('4'));
    expect(idsOf(await pull(outlet, `cursor=${near.next_cursor}`))).toEqual(['3', '4']);
  });

  test.each(['cursor=bm9uc2Vuc2U', 'limit=0', 'limit=x', 'wait=-1', 'since=yesterday'])('%s is 400', async (query) => {
    const cloud = await start();
    expect((await new PretendOutlet(cloud.url).get(`/sync/changes?${query}`)).status).toBe(400);
  });

  test('pulls want a key, and GET', async () => {
    const cloud = await start();
    expect((await call(`${cloud.url}/sync/changes`)).status).toBe(401);
    const outlet = new PretendOutlet(cloud.url);
    const posted = await call(`${cloud.url}/sync/changes`, { method: 'POST', headers: outlet.headers('b') });
    expect([posted.status, posted.headers.allow]).toEqual([405, 'GET']);
  });

  test('a cursor still fits after a restart, and another history refuses it', async () => {
    const journal = join(directory, 'journal');
    const cloud = await start({ journal });
    const outlet = new PretendOutlet(cloud.url);
    cloud.edit(product('1', { data: '{"a":1.10}' }));
    await outlet.pushOne(outlet.create('o'));
    const { next_cursor } = await pull(outlet, 'limit=1');
    const before = cloud.feed();
    await cloud.stop();
    const again = await start({ journal });
    const later = new PretendOutlet(again.url);
    expect(again.feed()).toEqual(before);
    expect(idsOf(await pull(later, `cursor=${next_cursor}`))).toEqual(['o']);
    const other = await start();
    expect((await new PretendOutlet(other.url).get(`/sync/changes?cursor=${next_cursor}`)).status).toBe(410);
  });
});

describe('the long poll', () => {
  test('answers as soon as something arrives that the outlet can see, with the whole batch', async () => {
    const cloud = await start();
    const [outlet, other] = [new PretendOutlet(cloud.url, 'a'), new PretendOutlet(cloud.url, 'b')];
    const startedMs = monotonicMs();
    const polling = pull(outlet, 'wait=30');
    await untilPolling(cloud, 1);
    await other.pushOne(other.create('unseen'));
    expect(cloud.polling()).toBe(1);
    const items = ['1', '2'].map((id) => other.create(id, { entity_type: 'product', tx: '1' }));
    await other.push(items);
    expect(idsOf(await polling)).toEqual(['1', '2']);
    expect(monotonicMs() - startedMs).toBeLessThan(5_000);
  });

  test('answers an empty page when its time is over', async () => {
    const cloud = await start();
    const startedMs = monotonicMs();
    expect(await pull(new PretendOutlet(cloud.url), 'wait=1')).toMatchObject({ changes: [], has_more: false });
    expect(monotonicMs() - startedMs).toBeGreaterThanOrEqual(990);
  });

  test('ends when the client goes away, and when the cloud goes down', async () => {
    const cloud = await start();
    const outlet = new PretendOutlet(cloud.url);
    const leaving = new AbortController();
    const left = fetch(`${cloud.url}/sync/changes?wait=55`, { headers: outlet.headers('b'), signal: leaving.signal });
    const cut = outlet.get('/sync/changes?wait=55').catch((error: unknown) => error);
    await untilPolling(cloud, 2);
    leaving.abort();
    await expect(left).rejects.toThrow();
    await untilPolling(cloud, 1);
    await cloud.down();
    expect(await cut).toMatchObject({ code: 'ECONNRESET' });
    await untilPolling(cloud, 0);
  });

  test('a cloud without it answers at once', async () => {
    const cloud = await start({ capabilities: { long_poll: false } });
    const startedMs = monotonicMs();
    await pull(new PretendOutlet(cloud.url), 'wait=55');
    expect(monotonicMs() - startedMs).toBeLessThan(5_000);
  });
});

describe("head office's edits", () => {
  test.each([
    ['{"a":1.10,"b":2}', '{"b":3.00}', '{"a":1.10,"b":3.00}'],
    [
      '{ "a" : 1.10 , "b" : 2 }',
      '{"a":12345678901234567890.10,"c":"é\\""}',
      '{ "a" : 12345678901234567890.10 , "b" : 2,"c":"é\\""}',
    ],
    ['{}', '{"a":null}', '{"a":null}'],
    ['{"a":{"b":1},"b":[1.0]}', '{"b":[2.0]}', '{"a":{"b":1},"b":[2.0]}'],
    ['{"a":1}', '{}', '{"a":1}'],
  ])('%s with %s laid over it is %s', async (data, patch, expected) => {
    const cloud = await start();
    cloud.edit(product('1', { data }));
    expect(cloud.edit(product('1', { patch }))).toMatchObject({ data: expected, cloud_version: 2 });
    expect(cloud.feed().at(-1)).toMatchObject({ changed_fields: Object.keys(JSON.parse(patch) as object) });
  });

  test('a delete leaves a tombstone, which the entity route shows with its version', async () => {
    const cloud = await start();
    const outlet = new PretendOutlet(cloud.url);
    cloud.edit(product('1'));
    cloud.edit(product('1', { operation: 'delete', updated_at: '2026-11-22T00:00:00.000Z' }));
    const { text } = await outlet.get('/entities/product/1');
    expect(JSON.parse(text)).toEqual({
      entity_type: 'product',
      entity_id: '1',
      cloud_id: 'c-1',
      operation: 'delete',
      cloud_version: 2,
      updated_at: '2026-11-22T00:00:00.000Z',
      origin_outlet_id: null,
      data: null,
      deleted: true,
    });
  });

  test.each([
    [{ patch: '{}' }, 'no row'],
    [{ data: 'nonsense' }, 'JSON object'],
    [{ data: '[]' }, 'JSON object'],
    [{ data: '{}', patch: '{}' }, 'either'],
    [{ operation: 'delete' as const, patch: '{}' }, 'carries no row'],
    [{}, 'needs data'],
  ])('%j is refused', async (edit, words) => {
    const cloud = await start();
    expect(() => cloud.edit({ entity_type: 'product', entity_id: '1', ...edit })).toThrow(words);
    expect(cloud.feed()).toEqual([]);
  });
});

describe('faults', () => {
  test.each([
    ['still-cursor', [1, 1], true],
    ['more-for-ever', [1, 1], true],
    ['doubled', [1, 1, 1, 1], false],
    ['reversed', [1, 1], false],
    ['lower-version', [0, 1], false],
  ] as const)('%s spoils the page and not the feed', async (how, versions, more) => {
    const cloud = await start();
    const outlet = new PretendOutlet(cloud.url);
    const before = await pull(outlet);
    cloud.edit(product('1'));
    cloud.edit(product('2'));
    const match = how === 'lower-version' ? { entity_id: '1' } : {};
    const id = cloud.faults.add({ kind: 'page', how, version: 0, match: { path: '/sync/changes', ...match } });
    const page = await pull(outlet, `cursor=${before.next_cursor}`);
    expect(page.changes.map((change) => change.cloud_version)).toEqual(versions);
    expect(page.has_more).toBe(more);
    expect(page.next_cursor === before.next_cursor).toBe(how === 'still-cursor');
    expect(idsOf(page).at(-1)).toBe(how === 'reversed' ? '1' : '2');
    cloud.faults.clear(id);
    expect(await pull(outlet, `cursor=${before.next_cursor}`)).toMatchObject({
      has_more: false,
      changes: [{ cloud_version: 1 }, { cloud_version: 1 }],
    });
  });

  test('a page padded to 10 MB is still a page', async () => {
    const cloud = await start();
    cloud.faults.add({ kind: 'page', how: 'huge' });
    const { text } = await new PretendOutlet(cloud.url).get('/sync/changes');
    expect(text.length).toBeGreaterThan(10 * 1024 * 1024);
    expect(JSON.parse(text)).toMatchObject({ changes: [{ entity_type: 'padding' }] });
  });

  test('refusals, wrong JSON and another epoch answer a long poll at once', async () => {
    const cloud = await start();
    const outlet = new PretendOutlet(cloud.url);
    const match = { path: '/sync/changes' };
    cloud.faults.add({ kind: 'status', status: 410, times: 1, match });
    expect((await outlet.get('/sync/changes?wait=55')).status).toBe(410);
    cloud.faults.add({ kind: 'body', body: '{"changes":7}', times: 1, match });
    expect((await outlet.get('/sync/changes?wait=55')).text).toBe('{"changes":7}');
    cloud.faults.add({ kind: 'epoch', cloud_epoch: 'other' });
    expect(await pull(outlet)).toMatchObject({ cloud_epoch: 'other' });
    expect(JSON.parse((await outlet.get('/sync/capabilities')).text)).toMatchObject({ cloud_epoch: 'other' });
    expect((await outlet.push([outlet.create('1')])).text).toContain('"cloud_epoch":"other"');
  });
});
