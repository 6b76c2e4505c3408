/**
 * The fixed story: sell, see head office's new price at the till, cut the internet, edit the same things on both sides, kill -9
 * the daemon and start it again, restore the internet with the first answer lost, hear a webhook, sell on, wait until all is
 * quiet, compare. The seed fixes what is sold; every step waits for what it needs to see and for nothing else.
 */
import { SyncError } from '../errors.js';
import { monotonicMs } from '../time.js';
import { rupiah, seconds } from './narrate.js';
import { type Cast, castCustomers, expectedOf, PRODUCT, PRODUCTS, playScenes } from './scenes.js';
import { seededRandom } from './shop/random.js';
import { LOST_ANSWER, OUTLET, openStage, type Stage } from './stage.js';
import { Telling } from './telling.js';
import { judge, type Verdict } from './verdict.js';

export type StoryOptions = { seed: number; sales: number; say: (line: string) => void; signal: AbortSignal };

/** The object that `demo --once --json` prints. */
export type StoryResult = {
  ok: boolean;
  seed: number;
  sales: number;
  pushed: number;
  pulled: number;
  conflicts: number;
  lost: number;
  doubled: number;
  out_of_order: number;
  different: number;
  outage_ms: number;
  drain_ms: number;
  duration_ms: number;
};

/** How long the daemon may take to notice that the internet is gone, and to deliver everything once it is back. */
const NOTICE_WITHIN_MS = 20_000;
const QUIET_WITHIN_MS = 35_000;
const FIRST_PUSH_WITHIN_MS = 15_000;
/** For one thing that one side did to be seen on both. */
const SEEN_WITHIN_MS = 20_000;

const NEW_PRICE = { pulled: '23750.00', webhook: '19900.00' };

/** Nine in the morning in Jakarta; every look at the clock is 41 s and some microseconds later. */
function storyClock(): () => string {
  let looks = 0;
  return () => {
    looks += 1;
    return `${new Date(Date.UTC(2026, 10, 22, 2) + looks * 41_000).toISOString().slice(0, -1)}${String(looks % 1000).padStart(3, '0')}Z`;
  };
}

/** Plays the story. @throws SyncError when one of its steps cannot be played at all. */
export async function playStory({ seed, sales, say, signal }: StoryOptions): Promise<StoryResult> {
  const startedAt = monotonicMs();
  const stage = await openStage({ random: seededRandom(seed), clock: storyClock(), signal });
  try {
    say(`The shop is open. Look around: ${stage.configFile}, the cloud at ${stage.cloud.url}`);
    const telling = new Telling(stage, sales, say, signal);
    const { outageMs, drainMs } = await playSteps(telling);
    const verdict = await judge(stage, telling.unmet);
    for (const finding of verdict.findings.slice(0, 20)) {
      say(`${finding.kind}: ${finding.entity_type} ${finding.entity_id}: ${finding.detail}`);
    }
    const result = resultOf(verdict, {
      seed,
      sales: stage.till.sold,
      outage_ms: Math.round(outageMs),
      drain_ms: Math.round(drainMs),
      duration_ms: Math.round(monotonicMs() - startedAt),
    });
    say(result.ok ? `Both sides hold the same ${verdict.rows} rows.` : 'The two sides differ.');
    return result;
  } finally {
    await stage.close();
  }
}

function resultOf(
  { pushed, pulled, conflicts, open, lost, doubled, out_of_order, different }: Verdict,
  played: { seed: number; sales: number; outage_ms: number; drain_ms: number; duration_ms: number },
): StoryResult {
  const { seed, sales, outage_ms, drain_ms, duration_ms } = played;
  const ok = lost + doubled + out_of_order + different + open === 0;
  const counts = { pushed, pulled, conflicts, lost, doubled, out_of_order, different };
  return { ok, seed, sales, ...counts, outage_ms, drain_ms, duration_ms };
}

async function playSteps(t: Telling): Promise<{ outageMs: number; drainMs: number }> {
  const cast = await castCustomers(t.stage);
  await t.sellUpTo(0.3);
  await t.expect(FIRST_PUSH_WITHIN_MS, 'the first push', () => t.stage.cloud.ledger.accepted().length > 0);
  if (!(await t.quiet(QUIET_WITHIN_MS))) t.say('Not all of it is in the cloud yet.');
  await sellAtNewPrice(t);
  const times = await outlastOutage(t, cast);
  await hearWebhook(t);
  await t.sellUpTo(1);
  await t.quiet(QUIET_WITHIN_MS);
  await t.tellQueue();
  return times;
}

async function sellAtNewPrice(t: Telling): Promise<void> {
  const entity_id = PRODUCTS.price;
  t.office.change('product', entity_id, { price: NEW_PRICE.pulled });
  const changedAt = monotonicMs();
  await t.meet(SEEN_WITHIN_MS, [{ ...PRODUCT, entity_id, column: 'price', value: NEW_PRICE.pulled }]);
  const seenMs = monotonicMs() - changedAt;
  const { price } = await t.stage.till.sellOne(entity_id);
  t.say(`Head office changes a price; ${seconds(seenMs)} later the till sells at ${rupiah(price)}.`);
  if (price === NEW_PRICE.pulled) return;
  t.unmet.push({
    kind: 'different',
    entity_type: 'product',
    entity_id,
    detail: `sold at ${price} after it had changed`,
  });
}

/** Both sides go on without each other, and meet again. */
async function outlastOutage(t: Telling, cast: Cast): Promise<{ outageMs: number; drainMs: number }> {
  const { stage, say } = t;
  const { cloud, daemon } = stage;
  say('The internet is cut.');
  const cutAt = monotonicMs();
  await cloud.down();
  await t.sellUpTo(0.5);
  await t.expect(NOTICE_WITHIN_MS, 'the daemon notices the outage', () => offline(stage));
  await playScenes(stage, t.office, cast, say);
  say(`kill -9 ${daemon.pid}, the daemon. The till does not notice.`);
  await daemon.kill();
  await t.sellUpTo(0.7);
  daemon.start();
  say('The daemon is started again.');
  await t.expect(NOTICE_WITHIN_MS, 'the new daemon notices the outage', () => offline(stage));
  await t.sellUpTo(0.85);

  const expected = await expectedOf(stage, cast);
  cloud.faults.add(LOST_ANSWER);
  await cloud.up();
  const backAt = monotonicMs();
  say(`The internet is back after ${seconds(backAt - cutAt)}. The cloud's first answer will be lost on the way.`);
  const quiet = await t.quiet(QUIET_WITHIN_MS);
  const drainMs = monotonicMs() - backAt;
  await t.tellQueue();
  if (!quiet) say(`Not quiet after ${seconds(drainMs)}. The daemon's last words:\n${daemon.lastWords()}`);
  if (cloud.faults.list().length > 0) throw new SyncError('failed', 'the lost answer was never played: no push came');
  await t.meet(SEEN_WITHIN_MS, expected);
  if (t.unmet.length === 0) say('What both had changed meanwhile is the same on both sides, by rule and on record.');
  return { outageMs: backAt - cutAt, drainMs };
}

async function hearWebhook(t: Telling): Promise<void> {
  const entity_id = PRODUCTS.webhook;
  t.office.change('product', entity_id, { price: NEW_PRICE.webhook });
  const about = { outlet_id: OUTLET, entities: [{ entity_type: 'product', entity_id }] };
  const { event_id } = t.stage.cloud.webhook(about);
  const taken = () => t.stage.cloud.webhooks().some((one) => one.event_id === event_id && one.state === 'taken');
  await t.expect(SEEN_WITHIN_MS, 'the webhook is taken', taken);
  await t.meet(SEEN_WITHIN_MS, [{ ...PRODUCT, entity_id, column: 'price', value: NEW_PRICE.webhook }]);
  t.say('A webhook tells of another price.');
}

/** Whether the daemon that runs now knows that the cloud is out of reach. */
async function offline(stage: Stage): Promise<boolean> {
  const { rows } = await stage.owner.query('SELECT FROM syncd.daemon WHERE pid = $1 AND online = false', [
    stage.daemon.pid,
  ]);
  return rows.length > 0;
}
