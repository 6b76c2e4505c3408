/**
 * The one entrance: reads the command line, runs one command, turns whatever it throws into words and an exit code. Loads only
 * the command that was asked for, so that `syncd status` does not wait for the daemon's parts.
 */
import { Command, CommanderError } from 'commander';
import { printError } from './commands/output.js';
import { EXIT, SyncError } from './errors.js';
import { VERSION } from './version.js';

type Entry = { group: string; load: () => Promise<Command> };

const WATCH = 'See:';
const ACT = 'Act:';
const SETUP = 'Set up and run:';

/** In the order of the help. */
const COMMANDS: Record<string, Entry> = {
  status: { group: WATCH, load: async () => (await import('./commands/status.js')).statusCommand() },
  queue: { group: WATCH, load: async () => (await import('./commands/queue.js')).queueCommand() },
  logs: { group: WATCH, load: async () => (await import('./commands/logs.js')).logsCommand() },
  inbox: { group: WATCH, load: async () => (await import('./commands/inbox.js')).inboxCommand() },
  conflicts: { group: WATCH, load: async () => (await import('./commands/conflicts.js')).conflictsCommand() },
  verify: { group: WATCH, load: async () => (await import('./commands/verify.js')).verifyCommand() },
  doctor: { group: WATCH, load: async () => (await import('./commands/doctor.js')).doctorCommand() },
  'support-bundle': {
    group: WATCH,
    load: async () => (await import('./commands/support-bundle.js')).supportBundleCommand(),
  },
  config: { group: WATCH, load: async () => (await import('./commands/config.js')).configCommand() },
  now: { group: ACT, load: async () => (await import('./commands/now.js')).nowCommand() },
  push: { group: ACT, load: async () => (await import('./commands/push.js')).pushCommand() },
  pull: { group: ACT, load: async () => (await import('./commands/pull.js')).pullCommand() },
  retry: { group: ACT, load: async () => (await import('./commands/retry.js')).retryCommand() },
  discard: { group: ACT, load: async () => (await import('./commands/discard.js')).discardCommand() },
  resolve: { group: ACT, load: async () => (await import('./commands/resolve.js')).resolveCommand() },
  adopt: { group: ACT, load: async () => (await import('./commands/adopt.js')).adoptCommand() },
  pause: { group: ACT, load: async () => (await import('./commands/pause.js')).pauseCommand() },
  resume: { group: ACT, load: async () => (await import('./commands/pause.js')).resumeCommand() },
  backfill: { group: ACT, load: async () => (await import('./commands/backfill.js')).backfillCommand() },
  truncate: { group: ACT, load: async () => (await import('./commands/truncate.js')).truncateCommand() },
  capture: { group: ACT, load: async () => (await import('./commands/capture.js')).captureCommand() },
  demo: { group: SETUP, load: async () => (await import('./commands/demo.js')).demoCommand() },
  init: { group: SETUP, load: async () => (await import('./commands/init.js')).initCommand() },
  install: { group: SETUP, load: async () => (await import('./commands/install.js')).installCommand() },
  uninstall: { group: SETUP, load: async () => (await import('./commands/uninstall.js')).uninstallCommand() },
  run: { group: SETUP, load: async () => (await import('./commands/run.js')).runCommand() },
  'cloud-check': { group: SETUP, load: async () => (await import('./commands/cloud-check.js')).cloudCheckCommand() },
};

/** Runs one command; resolves with the exit code. `argv` as in process.argv. */
export async function main(argv: string[]): Promise<number> {
  const json = argv.includes('--json');
  const verbose = argv.some((word) => word === '-v' || word === '--verbose');
  const named = toLoad(argv.slice(2));
  try {
    const program = newProgram();
    for (const name of named) {
      const { group, load } = COMMANDS[name] as Entry;
      const command = (await load()).helpGroup(group).copyInheritedSettings(program);
      program.addCommand(command);
    }
    await program.parseAsync(argv);
    return Number(process.exitCode ?? EXIT.done);
  } catch (error) {
    if (!(error instanceof CommanderError)) return printError(error, { json, verbose });
    // Help and --version end with an "error" too.
    if (error.exitCode === 0) return EXIT.done;
    return printError(usageError(error, named), { json, verbose });
  }
}

function newProgram(): Command {
  const program = new Command('syncd')
    .description(
      "Keeps a shop's PostgreSQL point of sale and the head-office cloud in step, also when the line is down.",
    )
    .usage('COMMAND [options]')
    .version(VERSION, '-V, --version', 'print the version')
    .option('--config <file>', 'the configuration; else $SYNCD_CONFIG, ./syncd.yaml, /etc/syncd/syncd.yaml')
    .option('--json', 'print one JSON value for programs, errors too')
    .option('--no-color', 'print without colours')
    .option('-v, --verbose', 'say more, and where an error came from')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .configureHelp({ showGlobalOptions: true, helpWidth: 80, subcommandTerm: termOf })
    .commandsGroup('More:')
    .configureOutput({ outputError: () => {} })
    .exitOverride()
    .addHelpText('after', TAIL);
  return program;
}

/** `retry [id...]`: without the "[options]" that every line would repeat. */
function termOf(command: Command): string {
  const names = command.registeredArguments.map((argument) => {
    const name = argument.name() + (argument.variadic ? '...' : '');
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  return [command.name(), ...names].join(' ');
}

const TAIL = `
Exit codes: 0 done, 1 failed, 64 usage, 69 database or cloud unreachable,
75 another daemon runs, 78 configuration; syncd status has its own.
`;

/** The command named on the line, or all of them where none is: for the help and for "did you mean". */
function toLoad(words: string[]): string[] {
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    if (word === '-h' || word === '--help') break;
    if (word === '--config') i += 1;
    else if (!word.startsWith('-')) return Object.hasOwn(COMMANDS, word) ? [word] : Object.keys(COMMANDS);
  }
  return Object.keys(COMMANDS);
}

function usageError(error: CommanderError, named: string[]): SyncError {
  const what = error.message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' ');
  if (error.code === 'commander.help')
    return new SyncError('usage', 'no command given', { hint: 'syncd --help lists them.' });
  const command = named.length === 1 ? named[0] : 'COMMAND';
  return new SyncError('usage', what, { hint: `syncd ${command} --help tells what it takes.` });
}
