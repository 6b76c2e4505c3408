/** `syncd backfill`: has the rows queued that were there before capture. The daemon does it; this asks for it and watches. */
import { Command } from 'commander';
import { loadTables } from '../apply/tables.js';
import { capturedEntities } from '../capture/suspend.js';
import type { Db } from '../db/connect.js';
import { EXIT } from '../errors.js';
import { lookAtDaemon } from '../ops/control.js';
import { progressWords } from '../ops/status/progress-words.js';
import { count } from '../ops/status/words.js';
import { monotonicMs, sleep } from '../time.js';
import { requestBackfill, stopBackfills, type WalkProgress, walkProgress } from '../walk/request.js';
import { authorOf, withAuthor } from './actions.js';
import { print, printJson, remark } from './output.js';
import { progressLine } from './progress.js';
import { type CommonOptions, commonOptions, type Session, withDatabase } from './session.js';

type Options = CommonOptions & { wait: boolean; stop?: true; by?: string };

const LOOK_MS = 300;
/** A restart, or another host that takes over, is no reason to end the watching. */
const AWAY_MS = 30_000;

export function backfillCommand(): Command {
  const command = new Command('backfill')
    .description('queue the rows that were there before capture')
    .argument('[type...]', 'the entities, as syncd.yaml names them; all where none is named')
    .option('--no-wait', 'ask for it and do not watch')
    .option('--stop', 'end it; what is queued already stays queued');
  return withAuthor(command)
    .addHelpText(
      'after',
      `
The daemon does it, table by table, parents first: only rows that neither the
queue nor the cloud knows of, and of the types that syncd status names under
'older rows' also those that are not in the cloud as they are now. In small
pieces behind the live sales, and no sale ever waits for it. Ctrl-C ends the
watching, not the work; the same command watches again. It outlives a crash and
goes on where it was.
`,
    )
    .action(async (types: string[], _options, self: Command) => {
      const options: Options = { ...commonOptions(self), ...self.opts<{ wait: boolean }>() };
      await withDatabase(options, 'backfill', async (session) => {
        const entities = await parentsFirst(session, await capturedEntities(session.db, types));
        if (options.stop) return stop(session.db, entities, options);
        const ids = await requestBackfill(session.db, entities, authorOf(options));
        const broken = options.wait ? await watch(session.db, ids, options) : false;
        await tell(session.db, ids, options, broken);
      });
    });
}

/** So that the cloud has a parent before its children. What is no longer configured comes last. */
async function parentsFirst({ db, loaded }: Session, entities: readonly string[]): Promise<string[]> {
  const tables = await loadTables(db, loaded.settings);
  const rank = (entity: string) => tables.get(entity)?.rank ?? Number.MAX_SAFE_INTEGER;
  return [...entities].sort((a, b) => rank(a) - rank(b));
}

async function stop(db: Db, entities: readonly string[], options: Options): Promise<void> {
  const stopped = await stopBackfills(db, entities, authorOf(options));
  if (options.json) return printJson({ stopped });
  print(stopped.length === 0 ? 'No backfill was under way.' : `Stopped: ${stopped.join(', ')}.`);
}

/** @returns true where the person has ended the watching */
async function watch(db: Db, ids: readonly string[], options: Options): Promise<boolean> {
  const ending = new AbortController();
  const end = () => ending.abort();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end);
  const line = progressLine(options);
  const begun = monotonicMs();
  let first: number | undefined;
  let seenMs: number | undefined;
  try {
    while (!ending.signal.aborted) {
      const walks = await walkProgress(db, ids);
      const open = walks.filter(({ finished_at }) => finished_at === null);
      if (open.length === 0) return false;
      if ((await lookAtDaemon(db)).running) seenMs = monotonicMs();
      else if (seenMs === undefined || monotonicMs() - seenMs > AWAY_MS) return false;
      const done = sum(walks.map(({ walked }) => walked));
      first ??= done;
      const of = walks.every(({ estimate }) => estimate !== null)
        ? sum(walks.map((walk) => (walk.finished_at === null ? (walk.estimate ?? 0) : walk.walked)))
        : undefined;
      const now = open.find(({ started_at }) => started_at !== null) ?? (open[0] as WalkProgress);
      const waits = now.waits_for === null ? '' : `  (waits: ${now.waits_for})`;
      const words = progressWords({ done, of, since: { done: done - first, ms: monotonicMs() - begun } });
      line.show(`${now.entity_type}  ${words}${waits}`);
      await sleep(LOOK_MS, ending.signal);
    }
    return true;
  } finally {
    line.end();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, end);
  }
}

const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0);

async function tell(db: Db, ids: readonly string[], options: Options, broken: boolean): Promise<void> {
  const walks = await walkProgress(db, ids);
  const failed = walks.some(({ error }) => error !== null);
  process.exitCode = failed ? EXIT.failed : EXIT.done;
  if (options.json) return printJson(walks);
  for (const walk of walks) print(`${walk.entity_type}: ${ending(walk)}`);
  if (walks.every(({ finished_at }) => finished_at !== null)) return;
  const { running } = await lookAtDaemon(db);
  if (!running) remark('note: the daemon is not running; it goes on when it runs again: sudo systemctl start syncd');
  else if (broken) remark('note: it goes on by itself; syncd backfill watches it again, --stop ends it');
}

function ending({ walked, queued, started_at, finished_at, error, waits_for }: WalkProgress): string {
  const so = `${count(walked, 'row')} looked at, ${queued.toLocaleString('en-GB')} queued`;
  if (error !== null) return `given up after ${so}: ${error}`;
  if (finished_at !== null) return queued === 0 ? `${so}: everything was known` : so;
  const waits = waits_for === null ? '' : `; waits: ${waits_for}`;
  return started_at === null ? `asked for${waits}` : `${so} so far${waits}`;
}
