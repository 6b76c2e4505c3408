/** What the commands that act on single changes share: who asks, and how the answer for each id is told. */
import type { Command } from 'commander';
import { callerName } from '../config/caller.js';
import { EXIT } from '../errors.js';
import type { Refusal, Verdict } from '../queue/manage.js';
import { print, printJson, remark } from './output.js';

/** A command that changes something keeps who asked for it. */
export function withAuthor(command: Command): Command {
  return command.option('--by <name>', 'who asks; default: the user who typed it (before sudo)');
}

export function authorOf(options: { by?: string }): string {
  return options.by ?? callerName();
}

const WORDS: Record<Refusal, string> = {
  unknown: 'there is no such change',
  synced: 'it is settled already',
  discarded: 'it was discarded before',
  waiting: 'it is waiting for its turn already; nothing was changed',
  conflict:
    'it is in conflict: another try would meet the same; discard it, or leave it until the conflict is resolved',
};

/** Tells what became of every id; exit code 1 when any was left alone. */
export function tellVerdicts(verdicts: Verdict[], done: string, options: { json?: boolean }): number {
  if (options.json) printJson(verdicts);
  for (const verdict of options.json ? [] : verdicts) {
    if (verdict.done) print(`${verdict.id}: ${verdict.entity_type} ${verdict.entity_id} ${done} (was ${verdict.was})`);
    else remark(`syncd: ${verdict.id}: ${WORDS[verdict.why]}`);
  }
  if (!options.json && verdicts.length === 0) print('Nothing has failed; nothing was changed.');
  return verdicts.every((verdict) => verdict.done) ? EXIT.done : EXIT.failed;
}
