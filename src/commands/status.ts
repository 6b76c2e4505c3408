/** `syncd status`: asks the database, judges, prints; also while the daemon is down, and with an answer when PostgreSQL is away. */
import { Command } from 'commander';
import { sql } from 'kysely';
import { nameOf } from '../db/database-error.js';
import { EXIT, SyncError, wordsOf } from '../errors.js';
import type { Facts } from '../ops/status/read.js';
import { statusOf } from '../ops/status/report.js';
import { tell } from '../ops/status/story.js';
import { findings, STATE_EXIT, type StatusReport, since, unknownReport } from '../ops/status/verdict.js';
import { sleep } from '../time.js';
import { endUnheard, painter, print, printError, printJson, screenWidth } from './output.js';
import { type CommonOptions, commonOptions, type Session, withDatabase } from './session.js';
import { nagiosLine, statusScreen } from './status-view.js';

const WATCH_MS = 2_000;

type StatusOptions = CommonOptions & { watch?: boolean; nagios?: boolean };

export function statusCommand(): Command {
  return new Command('status')
    .description('are all sales in the cloud? how many wait, since when, why, and what happens next')
    .option('--watch', 'keep the screen up to date; Ctrl-C ends it')
    .option('--nagios', 'print one line with performance data')
    .addHelpText(
      'after',
      `
Works through PostgreSQL, so also while the daemon is down.

Exit codes:
  0 ok        everything goes as it should
  1 warning   offline for long, open conflicts, tables not captured, a backlog
  2 critical  failed changes, the cloud refuses this outlet, capture failed,
              the daemon is not running
  3 unknown   PostgreSQL does not answer, or the configuration is at fault

Rates are over the last 24 hours: of all changes that the cloud judged, those
that it accepted (success_rate) and those that it rejected or that were in
conflict (failure_rate). An outage judges nothing.
`,
    )
    .action(async (_options, command: Command) => {
      const options = commonOptions(command) as StatusOptions;
      if (options.watch && (options.json || options.nagios)) {
        throw new SyncError('usage', '--watch is for a screen: it goes with neither --json nor --nagios');
      }
      process.exitCode = await show(options);
    });
}

async function show(options: StatusOptions): Promise<number> {
  try {
    return await withDatabase(options, 'status', async (session) => {
      if (!options.watch) return showOnce(session, options);
      endUnheard();
      for (;;) {
        // A database that goes away while somebody watches is news, not the end of watching.
        const text = await oneScreen(session, options).then(
          (screen) => screen.text,
          (error: unknown) => `No answer from the database: ${wordsOf(error)}\nTrying again …`,
        );
        print(`\x1b[H${text.replaceAll('\n', '\x1b[K\n')}\x1b[K\x1b[J`);
        await sleep(WATCH_MS);
      }
    });
  } catch (error) {
    const known = error instanceof SyncError ? error : new SyncError('failed', String(error), { cause: error });
    const report = unknownReport(known.message);
    if (options.json) printJson(report);
    else if (options.nagios) print(nagiosLine(report, undefined));
    else printError(known, options);
    return known.code === 'usage' ? EXIT.usage : STATE_EXIT.unknown;
  }
}

async function showOnce(session: Session, options: StatusOptions): Promise<number> {
  const { facts, report, text } = await oneScreen(session, options);
  if (options.json) printJson(report);
  else if (options.nagios) print(nagiosLine(report, since(facts, facts.oldest_pending_at)));
  else print(text);
  return STATE_EXIT[report.state];
}

async function oneScreen(
  session: Session,
  options: StatusOptions,
): Promise<{ facts: Facts; report: StatusReport; text: string }> {
  const { outlet } = session.loaded.settings;
  await mustTakeWrites(session);
  const { facts, rules, report } = await statusOf(session.db, session.loaded.settings);
  const story = tell(facts, report.state, outlet.timezone);
  const told = { facts, report, findings: findings(facts, rules), story };
  const text = statusScreen(told, { paint: painter(options), width: screenWidth(), timezone: outlet.timezone });
  return { facts, report, text };
}

/** A copy shows what was, and the daemon's silence there says nothing of the daemon. */
async function mustTakeWrites({ db, url }: Session): Promise<void> {
  const { rows } = await sql<{ recovery: boolean }>`SELECT pg_is_in_recovery() AS recovery`.execute(db);
  if (rows[0]?.recovery)
    throw new SyncError(
      'unavailable',
      `${nameOf(url)} is a standby: it takes no writes, and what it shows may be old`,
      {
        hint: 'Name the primary in database.url; a list is tried in order. If there is none any more: SELECT pg_promote()',
      },
    );
}
