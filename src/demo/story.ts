/**
 * The fixed story: sell, cut the internet, sell on, kill -9 the daemon and start it again, restore the internet with the first
 * answer lost, sell on, wait until all is quiet, compare. The seed fixes what is sold; every step waits for what it needs to
 * see and for nothing else.
 */
import { SyncError } from '../errors.js';
import { monotonicMs } from '../time.js';
import { describeQueue, seconds } from './narrate.js';
import { seededRandom } from './shop/random.js';
import { openStage, type Stage } from './stage.js';
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
    const { outageMs, drainMs } = await playSteps(stage, sales, say, signal);
    const verdict = await judge(stage);
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
  { pushed, conflicts, lost, doubled, out_of_order, different }: Verdict,
  played: { seed: number; sales: number; outage_ms: number; drain_ms: number; duration_ms: number },
): StoryResult {
  const { seed, sales, outage_ms, drain_ms, duration_ms } = played;
  const ok = lost + doubled + out_of_order + different + conflicts === 0;
  const counts = { pushed, pulled: 0, conflicts, lost, doubled, out_of_order, different };
  return { ok, seed, sales, ...counts, outage_ms, drain_ms, duration_ms };
}

async function playSteps(stage: Stage, sales: number, say: (line: string) => void, signal: AbortSignal) {
  const { cloud, daemon, till } = stage;
  const inCloud = () => cloud.ledger.accepted().length;
  const tell = async () => say(describeQueue(await stage.queue(), inCloud()));
  const sellUpTo = async (share: number) => {
    const before = till.sold;
    while (till.sold < Math.ceil(sales * share) && !signal.aborted) await till.act();
    if (signal.aborted) throw stopped();
    say(`sold ${till.sold - before}`);
    await tell();
  };
  const expect = async (ms: number, what: string, done: () => Promise<boolean> | boolean) => {
    if (await stage.until(ms, done, signal)) return;
    if (signal.aborted) throw stopped();
    throw new SyncError('failed', `${what}: nothing of it after ${seconds(ms)}`, {
      hint: `The daemon's last words:\n${daemon.lastWords()}`,
    });
  };

  await sellUpTo(0.3);
  await expect(FIRST_PUSH_WITHIN_MS, 'the first push', () => inCloud() > 0);

  say('The internet is cut.');
  const cutAt = monotonicMs();
  await cloud.down();
  await sellUpTo(0.5);
  await expect(NOTICE_WITHIN_MS, 'the daemon notices the outage', () => offline(stage));
  say(`kill -9 ${daemon.pid}, the daemon. The till does not notice.`);
  await daemon.kill();
  await sellUpTo(0.7);
  daemon.start();
  say('The daemon is started again.');
  await expect(NOTICE_WITHIN_MS, 'the new daemon notices the outage', () => offline(stage));
  await sellUpTo(0.85);

  cloud.faults.add({ kind: 'lost-ack', times: 1, match: { path: '/sync/push' } });
  await cloud.up();
  const backAt = monotonicMs();
  say(`The internet is back after ${seconds(backAt - cutAt)}. The cloud's first answer will be lost on the way.`);
  await sellUpTo(1);
  const quiet = await stage.until(QUIET_WITHIN_MS, async () => (await stage.queue()).waiting === 0, signal);
  const drainMs = monotonicMs() - backAt;
  if (signal.aborted) throw stopped();
  await tell();
  if (!quiet) say(`Not quiet after ${seconds(drainMs)}. The daemon's last words:\n${daemon.lastWords()}`);
  if (cloud.faults.list().length > 0) throw new SyncError('failed', 'the lost answer was never played: no push came');
  return { outageMs: backAt - cutAt, drainMs };
}

function stopped(): SyncError {
  return new SyncError('failed', 'the demo was stopped');
}

/** Whether the daemon that runs now knows that the cloud is out of reach. */
async function offline(stage: Stage): Promise<boolean> {
  const { rows } = await stage.owner.query('SELECT FROM syncd.daemon WHERE pid = $1 AND online = false', [
    stage.daemon.pid,
  ]);
  return rows.length > 0;
}
