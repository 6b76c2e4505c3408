/**
 * The endless demo: the till sells at a walking pace, head office changes a price now and then and the till sells at it, the
 * internet goes away from time to time, the daemon is killed during every second outage, an answer is lost after it. Ends when
 * its signal aborts; whatever was told to people is all it leaves.
 */
import { existsSync, readFileSync } from 'node:fs';
import { SyncError } from '../errors.js';
import { monotonicMs, sleep } from '../time.js';
import { describeEvent, describeNewPrice, describeQueue } from './narrate.js';
import { Office, shopValue } from './office.js';
import { type Random, seededRandom } from './shop/random.js';
import { LOST_ANSWER, openStage, type Stage } from './stage.js';
import { commandLine } from './syncd-process.js';

/** A sale about every 0.7 s; a figure every 3 s; a new price every 10 s; an outage of 8 s every half minute. */
const PACE_MS = { fastest: 300, slowest: 1_100, figures: 3_000, prices: 10_000, fairWeather: 30_000, outage: 8_000 };
/** Longer than an outage; the till may have changed the same price again meanwhile. */
const SEEN_WITHIN_MS = 30_000;

const TOKEN_WITHIN_MS = 10_000;

export async function openDay(seed: number, say: (line: string) => void, signal: AbortSignal): Promise<void> {
  const random = seededRandom(seed);
  say('Opening Kopi Senja, Jakarta …');
  // As in a shop: the doctor, whom the dashboard shows, calls a server without fsync broken.
  const postgres = { fsync: 'on' };
  const stage = await openStage({ random, clock: () => new Date().toISOString(), signal, postgres });
  try {
    for (const line of await whereToLook(stage, signal)) say(line);
    const stop = new AbortController();
    const end = () => stop.abort();
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    const news: NewPrice[] = [];
    const parts = [
      sell(stage, random.between, news, say, stop.signal),
      setPrices(stage, seededRandom(seed + 1), news, stop.signal),
      tell(stage, say, stop.signal),
      weather(stage, say, stop.signal),
    ];
    try {
      await Promise.all(parts);
    } finally {
      end();
      await Promise.allSettled(parts);
    }
  } finally {
    say('Closing …');
    await stage.close();
  }
}

async function whereToLook(stage: Stage, signal: AbortSignal): Promise<string[]> {
  const { url, tokenFile } = stage.dashboard;
  // The daemon makes the token as it starts.
  await stage.until(TOKEN_WITHIN_MS, () => existsSync(tokenFile), signal);
  const token = existsSync(tokenFile) ? readFileSync(tokenFile, 'utf8').trim() : `in ${tokenFile}`;
  return [
    `  the dashboard   ${url}`,
    `  its token       ${token}`,
    `  the POS         ${stage.posUrl}`,
    `  the cloud       ${stage.cloud.url}`,
    `  configuration   ${stage.configFile}`,
    `  the daemon      pid ${stage.daemon.pid}, its log ${stage.daemon.logFile}`,
    `  look            ${commandLine('status', stage.configFile)}`,
    `                  ${commandLine('queue', stage.configFile)}`,
    'Ctrl-C ends everything and leaves nothing behind.',
    '',
  ];
}

/** A price of head office's that has come to the shop and not been sold at yet. */
type NewPrice = { product: string; name: string; afterMs: number };

async function sell(
  stage: Stage,
  between: (low: number, high: number) => number,
  news: NewPrice[],
  say: (line: string) => void,
  signal: AbortSignal,
) {
  while (!signal.aborted) {
    const first = news.shift();
    if (first === undefined) say(describeEvent(await stage.till.act()));
    else {
      const { number, price } = await stage.till.sellOne(first.product);
      say(describeNewPrice({ ...first, number, price }));
    }
    await sleep(between(PACE_MS.fastest, PACE_MS.slowest), signal);
  }
}

/** Head office changes the price of something that the shop has sent it. */
async function setPrices(stage: Stage, random: Random, news: NewPrice[], signal: AbortSignal) {
  const office = new Office(stage.cloud);
  while (!signal.aborted) {
    await sleep(PACE_MS.prices, signal);
    const known = office.productsOnSale();
    if (signal.aborted || known.length === 0) continue;
    const { id: product, name, price } = random.pick(known);
    const { rows } = await stage.owner.query<{ price: string }>('SELECT ($1::numeric + 500)::text AS price', [price]);
    const wanted = rows[0]?.price ?? price;
    const startedAt = monotonicMs();
    office.change('product', product, { price: wanted });
    const where = { table: 'public.products', key: 'id', column: 'price' };
    const seen = await stage.until(
      SEEN_WITHIN_MS,
      async () => (await shopValue(stage.owner, where, product)) === wanted,
      signal,
    );
    if (seen) news.push({ product, name, afterMs: monotonicMs() - startedAt });
  }
}

async function tell(stage: Stage, say: (line: string) => void, signal: AbortSignal) {
  while (!signal.aborted) {
    await sleep(PACE_MS.figures, signal);
    if (stage.daemon.fell) {
      const hint = `The daemon's last words:\n${stage.daemon.lastWords()}`;
      throw new SyncError('failed', 'the daemon ended by itself', { hint });
    }
    if (!signal.aborted) say(describeQueue(await stage.queue(), stage.cloud.ledger.accepted().length));
  }
}

async function weather(stage: Stage, say: (line: string) => void, signal: AbortSignal) {
  for (let outage = 1; !signal.aborted; outage += 1) {
    await sleep(PACE_MS.fairWeather, signal);
    if (signal.aborted) return;
    say('** the internet is cut; the till sells on');
    await stage.cloud.down();
    await sleep(PACE_MS.outage / 2, signal);
    if (outage % 2 === 0 && !signal.aborted) {
      say(`** kill -9 ${stage.daemon.pid}, the daemon`);
      await stage.daemon.kill();
    }
    await sleep(PACE_MS.outage / 2, signal);
    if (signal.aborted) return;
    stage.cloud.faults.add(LOST_ANSWER);
    await stage.cloud.up();
    stage.daemon.start();
    say('** the internet is back; the first answer will be lost on the way');
  }
}
