/** Faults of the line and of the answer: each switch does what it says, and commits only where it says so. */
import { once } from 'node:events';
import { request } from 'node:http';
import { startReferenceCloud } from '../../src/demo/cloud/server.js';
import { LOST_ANSWER, OUTLET } from '../../src/demo/stage.js';
import { codeOf } from '../../src/errors.js';
import { monotonicMs, sleep } from '../../src/time.js';
import { call, PretendOutlet } from '../support/pretend-outlet.js';

const cloud = await startReferenceCloud({ apiKey: 'key' });
afterAll(() => cloud.stop());
afterEach(() => cloud.faults.clear());

let outlets = 0;
const newOutlet = () => new PretendOutlet(cloud.url, `outlet-${++outlets}`);
const failureOf = (work: Promise<unknown>) =>
  work.then(
    () => 'answered',
    (error: unknown) => codeOf(error),
  );
const until = async (what: () => boolean) => {
  for (const deadline = monotonicMs() + 5_000; !what(); await sleep(5)) {
    if (monotonicMs() > deadline) throw new Error(`it never came about: ${what}`);
  }
};
const applied = (outlet: PretendOutlet) => cloud.entities(outlet.id).length;
const delivered = (outlet: PretendOutlet) =>
  cloud.ledger.deliveries.filter((one) => one.outlet_id === outlet.id).map((one) => [one.outcome, one.delivered]);

describe('the line', () => {
  test('down refuses connections and cuts open ones, up listens again on the same port', async () => {
    const outlet = newOutlet();
    cloud.faults.add({ kind: 'silence', times: 1 });
    const cut = failureOf(outlet.pushOne(outlet.create('1')));
    await until(() => cloud.ledger.requests.at(-1)?.faults.includes('silence') === true);
    await cloud.down();
    expect(await cut).toBe('ECONNRESET');
    expect(await failureOf(outlet.get('/health'))).toBe('ECONNREFUSED');
    await cloud.up();
    expect((await outlet.get('/health')).status).toBe(200);
  });

  test('reset cuts a request in the middle of its body and applies nothing', async () => {
    const outlet = newOutlet();
    cloud.faults.add({ kind: 'reset', afterBytes: 1000, times: 1 });
    const outgoing = request(`${cloud.url}/sync/push`, {
      method: 'POST',
      headers: { ...outlet.headers('b'), 'content-length': '100000' },
      agent: false,
    });
    outgoing.write('x'.repeat(2000));
    const [error] = (await once(outgoing, 'error')) as [unknown];
    expect(codeOf(error)).toBe('ECONNRESET');
    expect(cloud.ledger.requests.at(-1)).toMatchObject({ status: null, delivered: false, faults: ['reset'] });
    expect(cloud.ledger.requests.at(-1)?.wire_bytes).toBeGreaterThanOrEqual(1000);
  });

  test('a request too short to be cut in its body is cut at its end and not applied', async () => {
    const outlet = newOutlet();
    cloud.faults.add({ kind: 'reset', afterBytes: 1_000_000, times: 1 });
    expect(await failureOf(outlet.pushOne(outlet.create('1')))).toBe('ECONNRESET');
    expect(applied(outlet)).toBe(0);
  });

  test('silence never answers and applies nothing, while others are served', async () => {
    const outlet = newOutlet();
    cloud.faults.add({ kind: 'silence', match: { path: '/sync/push' } });
    const outgoing = request(`${cloud.url}/sync/push`, { method: 'POST', headers: outlet.headers('b'), agent: false });
    let answered = false;
    outgoing.on('response', () => {
      answered = true;
    });
    const closed = new Promise((resolve) => outgoing.on('close', resolve).on('error', () => {}));
    outgoing.end(outlet.body('b', [outlet.create('1')]));
    await until(() => cloud.ledger.requests.at(-1)?.faults.includes('silence') === true);
    expect((await outlet.get('/health')).status).toBe(200);
    outgoing.destroy();
    await closed;
    expect([answered, applied(outlet)]).toEqual([false, 0]);
  });

  test.each([
    ['reset', 'ECONNRESET'],
    ['close', 'ECONNRESET'],
  ] as const)('an ack lost by %s leaves the push applied and its resend a duplicate', async (how, code) => {
    const outlet = newOutlet();
    cloud.faults.add({ kind: 'lost-ack', how, times: 1 });
    const change = outlet.create('1');
    expect(await failureOf(outlet.pushOne(change))).toBe(code);
    expect(applied(outlet)).toBe(1);
    expect(await outlet.pushOne(change)).toMatchObject({ status: 'duplicate', cloud_version: 1 });
    expect(delivered(outlet)).toEqual([
      ['accepted', false],
      ['duplicate', true],
    ]);
  });

  test("the answer that the demo loses is its own shop's: whoever else tries its cloud meanwhile gets each of theirs", async () => {
    cloud.faults.add(LOST_ANSWER);
    const [guest, shop] = [newOutlet(), new PretendOutlet(cloud.url, OUTLET)];
    expect(await guest.pushOne(guest.create('1'))).toMatchObject({ status: 'accepted' });
    expect(await failureOf(shop.pushOne(shop.create('1')))).toBe('ECONNRESET');
  });

  test('an ack lost in silence leaves the push applied and unanswered', async () => {
    const outlet = newOutlet();
    cloud.faults.add({ kind: 'lost-ack', how: 'silence', times: 1 });
    const pending = failureOf(outlet.pushOne(outlet.create('1')));
    await until(() => applied(outlet) === 1);
    expect(await Promise.race([pending, outlet.get('/health').then(() => 'health first')])).toBe('health first');
    await cloud.down();
    await cloud.up();
    expect(await pending).toBe('ECONNRESET');
  });

  test('latency answers late, after applying', async () => {
    const outlet = newOutlet();
    cloud.faults.add({ kind: 'latency', ms: 120, times: 1 });
    const startedMs = monotonicMs();
    expect(await outlet.pushOne(outlet.create('1'))).toMatchObject({ status: 'accepted' });
    expect(monotonicMs() - startedMs).toBeGreaterThanOrEqual(115);
  });

  test('bandwidth is shared by all requests, in both directions', async () => {
    const outlet = newOutlet();
    cloud.faults.add({ kind: 'bandwidth', bytesPerSecond: 50_000 });
    const push = (id: string) => outlet.push([outlet.create(id, { data: `{"x":"${'x'.repeat(5000)}"}` })]);
    const startedMs = monotonicMs();
    await Promise.all([push('1'), push('2')]);
    expect(monotonicMs() - startedMs).toBeGreaterThanOrEqual(200);
  });

  test('a slow body trickles after its headers', async () => {
    const outlet = newOutlet();
    cloud.faults.add({ kind: 'slow-body', bytesPerSecond: 1500, times: 1 });
    const startedMs = monotonicMs();
    expect(await outlet.pushOne(outlet.create('1'))).toMatchObject({ status: 'accepted' });
    expect(monotonicMs() - startedMs).toBeGreaterThanOrEqual(100);
  });
});

describe('the answer', () => {
  test('a truncated answer ends before its announced length, the push applied', async () => {
    const outlet = newOutlet();
    cloud.faults.add({ kind: 'truncated', times: 1 });
    expect(await failureOf(outlet.pushOne(outlet.create('1')))).toBe('ECONNRESET');
    expect(delivered(outlet)).toEqual([['accepted', false]]);
  });

  test('a tidily truncated answer is whole HTTP around half a text', async () => {
    const outlet = newOutlet();
    cloud.faults.add({ kind: 'truncated', tidy: true, times: 1 });
    const { status, text } = await outlet.push([outlet.create('1')]);
    expect(status).toBe(200);
    expect(() => JSON.parse(text) as unknown).toThrow(SyntaxError);
    expect(delivered(outlet)).toEqual([['accepted', false]]);
  });

  test.each([400, 401, 403, 404, 405, 408, 409, 415, 422, 426, 429, 500, 502, 503])(
    'status %i applies nothing',
    async (status) => {
      const outlet = newOutlet();
      cloud.faults.add({ kind: 'status', status, code: 'because', times: 1 });
      const reply = await outlet.push([outlet.create('1')]);
      expect([reply.status, JSON.parse(reply.text)]).toMatchObject([status, { error: { code: 'because' } }]);
      expect(applied(outlet)).toBe(0);
      expect(delivered(outlet)).toEqual([['refused', false]]);
    },
  );

  test('a status may come after the push was applied', async () => {
    const outlet = newOutlet();
    cloud.faults.add({ kind: 'status', status: 504, commit: true, times: 1 });
    expect((await outlet.push([outlet.create('1')])).status).toBe(504);
    expect(delivered(outlet)).toEqual([['accepted', false]]);
  });

  test('Retry-After comes in seconds, as a date, or not at all', async () => {
    cloud.faults.add({ kind: 'status', status: 503, retryAfter: { seconds: 7 }, times: 1 });
    expect((await call(`${cloud.url}/health`)).headers['retry-after']).toBe('7');
    cloud.faults.add({ kind: 'status', status: 429, retryAfter: { seconds: 60, as: 'date' }, times: 1 });
    const { headers } = await call(`${cloud.url}/health`);
    expect(Date.parse(headers['retry-after'] ?? '') - Date.parse(headers.date ?? '')).toBe(60_000);
    cloud.faults.add({ kind: 'status', status: 429, times: 1 });
    expect((await call(`${cloud.url}/health`)).headers['retry-after']).toBeUndefined();
  });

  test('a captive portal answers 200 in HTML', async () => {
    const outlet = newOutlet();
    cloud.faults.add({ kind: 'captive-portal', times: 1 });
    const reply = await outlet.push([outlet.create('1')]);
    expect([reply.status, reply.headers['content-type']]).toEqual([200, 'text/html']);
    expect(applied(outlet)).toBe(0);
  });

  test('a redirect points elsewhere and applies nothing', async () => {
    const outlet = newOutlet();
    cloud.faults.add({ kind: 'redirect', location: 'http://127.0.0.1:9/', times: 1 });
    const reply = await outlet.push([outlet.create('1')]);
    expect([reply.status, reply.headers.location, applied(outlet)]).toEqual([302, 'http://127.0.0.1:9/', 0]);
  });

  test('any body can stand in for the answer, applied or not', async () => {
    const outlet = newOutlet();
    cloud.faults.add({ kind: 'body', body: '{"results":{}}', times: 1 });
    expect((await outlet.push([outlet.create('1')])).text).toBe('{"results":{}}');
    expect(applied(outlet)).toBe(0);
    cloud.faults.add({ kind: 'body', body: 'null', commit: true, times: 1 });
    expect((await outlet.push([outlet.create('1')])).text).toBe('null');
    expect(applied(outlet)).toBe(1);
  });

  test('a clock that is off shows in Date and in server_time', async () => {
    cloud.faults.add({ kind: 'clock', offsetMs: 7_200_000, times: 1 });
    const { headers, text } = await call(`${cloud.url}/health`);
    const { server_time } = JSON.parse(text) as { server_time: string };
    for (const instant of [headers.date ?? '', server_time]) {
      expect(Math.abs(Date.parse(instant) - Date.now() - 7_200_000)).toBeLessThan(5_000);
    }
  });
});

describe('whom a fault hits', () => {
  test('health answers while pushes fail', async () => {
    const outlet = newOutlet();
    cloud.faults.add({ kind: 'status', status: 500, match: { path: '/sync/push' } });
    expect((await outlet.push([outlet.create('1')])).status).toBe(500);
    expect((await outlet.get('/health')).status).toBe(200);
  });

  test('a fault for the next two requests is gone at the third, one without a number stays until cleared', async () => {
    const health = async () => (await call(`${cloud.url}/health`)).status;
    cloud.faults.add({ kind: 'status', status: 500, times: 2 });
    expect([await health(), await health(), await health()]).toEqual([500, 500, 200]);
    const id = cloud.faults.add({ kind: 'status', status: 500 });
    expect([await health(), await health(), await health()]).toEqual([500, 500, 500]);
    expect(cloud.faults.list()).toMatchObject([{ id, hits: 3 }]);
    cloud.faults.clear(id);
    expect(await health()).toBe(200);
  });

  test('one outlet may be hit and another spared', async () => {
    const [one, two] = [newOutlet(), newOutlet()];
    cloud.faults.add({ kind: 'status', status: 401, match: { outlet_id: one.id } });
    expect((await one.push([one.create('1')])).status).toBe(401);
    expect((await two.push([two.create('1')])).status).toBe(200);
  });

  test('a batch is refused only while it holds the named entity', async () => {
    const outlet = newOutlet();
    const poison = outlet.create('poison');
    cloud.faults.add({ kind: 'status', status: 422, match: { entity_type: 'order', entity_id: 'poison' } });
    expect((await outlet.push([poison, outlet.create('2')])).status).toBe(422);
    expect((await outlet.push([outlet.create('3')])).status).toBe(200);
    expect((await outlet.push([poison])).status).toBe(422);
  });

  test('a chance hits the same requests from the same seed', async () => {
    const run = async () => {
      const chancy = await startReferenceCloud({ apiKey: 'key', seed: 42 });
      chancy.faults.add({ kind: 'status', status: 500, chance: 0.3 });
      const statuses: number[] = [];
      for (let index = 0; index < 40; index++) statuses.push((await call(`${chancy.url}/health`)).status);
      await chancy.stop();
      return statuses;
    };
    const first = await run();
    expect(await run()).toEqual(first);
    expect(first.filter((status) => status === 500).length).toBeGreaterThan(4);
    expect(first.filter((status) => status === 500).length).toBeLessThan(22);
  });
});
