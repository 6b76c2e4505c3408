/** The published document is valid, names every route, and describes what really travels. */
import { readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { startReferenceCloud } from '../../src/demo/cloud/server.js';
import { Cluster } from '../../src/demo/postgres.js';
import { adminRoutes } from '../../src/http/admin/routes.js';
import { ADMIN_PATHS } from '../../src/http/openapi/admin-paths.js';
import { openApi } from '../../src/http/openapi/document.js';
import type { AdminDeps } from '../../src/http/route.js';
import { eventually } from '../support/eventually.js';
import { call, PretendOutlet } from '../support/pretend-outlet.js';
import { RecordingProxy } from '../support/recording-proxy.js';
import { type Outlet, openOutlet } from '../support/running-daemon.js';

const document = openApi() as { components: { schemas: Record<string, object> } };

/** A check of one of the document's schemas; formats are for people. */
function checkOf(name: string): ValidateFunction {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  return ajv.compile({ $ref: `#/components/schemas/${name}`, components: document.components });
}

function expectFits(name: string, value: unknown): void {
  const check = checkOf(name);
  expect({ name, fits: check(value), errors: check.errors }).toEqual({ name, fits: true, errors: null });
}

test('the document is OpenAPI 3.1', async () => {
  const { valid, errors } = await new Validator().validate(structuredClone(openApi()) as Record<string, unknown>);
  expect({ valid, errors }).toEqual({ valid: true, errors: undefined });
});

test('it names every route of the admin port and no other', () => {
  const deps = { settings: { entities: new Map(), outlet: {} } } as unknown as AdminDeps;
  const page = /^\/$|^\/assets\//;
  const there = adminRoutes(deps)
    .filter(({ path }) => !page.test(path))
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);
  const told = Object.entries(ADMIN_PATHS).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect([...new Set(there)].sort()).toEqual(told.sort());
});

test.each([
  ['api-status.json', 'Status'],
  ['api-queue.json', 'QueuePage'],
  ['api-queue-synced.json', 'QueuePage'],
  ['api-logs.json', 'LogPage'],
  ['api-conflicts.json', 'ConflictPage'],
  ['api-entity.json', 'EntityView'],
  ['api-retry-all.json', 'Done'],
  ['api-not-ready.json', 'Problem'],
])('%s, as the port answers, is a %s', (file, schema) => {
  expectFits(schema, JSON.parse(readFileSync(`test/golden/${file}`, 'utf8')));
});

test('every schema refuses something', () => {
  for (const name of Object.keys(document.components.schemas)) expect([name, checkOf(name)(7)]).toEqual([name, false]);
});

test('the digest, as the reference cloud answers it, is by the schemas', async () => {
  const cloud = await startReferenceCloud({ apiKey: 'key' });
  try {
    const edit = { entity_type: 'order', entity_id: '7', data: '{"paid_at":"2026-11-22T17:00:00Z"}' };
    cloud.edit({ outlet_id: 'outlet-1', ...edit });
    const days = { entity_type: 'order', date_field: 'paid_at', timezone: 'Asia/Jakarta' };
    const told = { bucket: '2026-11-22', count: 1, sum: '18446744073709551615' };
    for (const [path, name, question] of [
      ['/sync/digest', 'Digest', { ...days, buckets: [told] }],
      ['/sync/digest/entities', 'DigestEntities', { ...days, bucket: '2026-11-23' }],
    ] as const) {
      const headers = new PretendOutlet(cloud.url).headers('');
      const { text } = await call(`${cloud.url}${path}`, { method: 'POST', headers, body: JSON.stringify(question) });
      expectFits(`${name}Request`, question);
      expectFits(`${name}Answer`, JSON.parse(text));
      expect(text).toMatch(/"bucket":"2026-11-23"|\["7",1\]/);
    }
  } finally {
    await cloud.stop();
  }
});

describe('real traffic', () => {
  const proxy = new RecordingProxy();
  let cluster: Cluster;
  let outlet: Outlet;
  beforeAll(async () => {
    cluster = await Cluster.start();
    outlet = await openOutlet(cluster, 'openapi', {
      through: (url) => proxy.before(url),
      entities: { order: { direction: 'both', exclude: ['secret_note'] } },
      sync: { longPollMs: 0, intervalMs: 100 },
    });
  });
  afterAll(async () => {
    await outlet?.close();
    proxy.stop();
    await cluster?.destroy();
  });

  test('every push, every page and every answer to them is by the schemas', async () => {
    const { shop, cloud } = outlet;
    const { id } = (
      await shop.sql.query("INSERT INTO orders (status, total) VALUES ('paid', 12345678901234567890.5) RETURNING id")
    ).rows[0];
    await outlet.drained();
    cloud.edit({ outlet_id: 'outlet-7', entity_type: 'order', entity_id: id, data: `{"id":"${id}","status":"sent"}` });
    await shop.sql.query("UPDATE orders SET status = 'void' WHERE id = $1", [id]);
    await shop.sql.query('DELETE FROM orders WHERE id = $1', [id]);
    cloud.edit({
      outlet_id: 'outlet-7',
      entity_type: 'order',
      entity_id: '00000000-0000-4000-8000-000000000001',
      data: '{"id":"00000000-0000-4000-8000-000000000001","status":"new"}',
    });
    const said = (path: string) =>
      proxy.exchanges.filter((exchange) => exchange.path === path && exchange.status === 200);
    await eventually(
      () => said('/sync/changes').some(({ answered }) => answered.includes('"new"')) && said('/sync/push').length >= 2,
      (done) => done,
      'both directions have spoken',
    );
    for (const { sent, answered } of said('/sync/push')) {
      expectFits('PushRequest', JSON.parse(sent));
      expectFits('PushAnswer', JSON.parse(answered));
    }
    for (const { answered } of said('/sync/changes')) expectFits('Page', JSON.parse(answered));
    for (const { answered } of said('/sync/capabilities')) expectFits('Capabilities', JSON.parse(answered));
    expect(said('/sync/capabilities').length).toBeGreaterThan(0);
  });
});
