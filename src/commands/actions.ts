/** What the commands that act on single changes share: who asks, and how the answer for each id is told. */
import type { Command } from 'commander';
import { callerName } from '../config/caller.js';
import { EXIT } from '../errors.js';
import type { ChangeRefusal, ChangeVerdict } from '../queue/manage.js';
import { print, printJson, printWords, remark } from './output.js';

/** A command that changes something keeps who asked for it. */
export function withAuthor(command: Command): Command {
  return command.option('--by <name>', 'who asks; default: the user who typed it (before sudo)');
}

export function authorOf(options: { by?: string }): string {
  // A name of nothing is none.
  return options.by?.trim() || callerName();
}

const WORDS: Record<Exclude<ChangeRefusal, 'conflict'>, string> = {
  unknown: 'there is no such change',
  synced: 'it is settled already',
  discarded: 'it was discarded before',
  waiting: 'it is waiting for its turn already; nothing was changed',
};

function whyNot(verdict: Extract<ChangeVerdict, { done: false }>): string {
  if (verdict.why !== 'conflict') return WORDS[verdict.why];
  return `its row is in conflict${verdict.conflict_id === null ? '' : ` ${verdict.conflict_id}`}, and nobody has chosen a side; nothing was changed`;
}

function hintFor(verdict: ChangeVerdict): string | undefined {
  if (verdict.done || verdict.why !== 'conflict' || verdict.conflict_id === null) return undefined;
  return `syncd conflicts shows both sides; syncd resolve ${verdict.conflict_id} --strategy cloud_wins gives up the shop's`;
}

/** Tells what became of every id; exit code 1 when any was left alone. */
export function tellVerdicts(verdicts: ChangeVerdict[], done: string, options: { json?: boolean }): number {
  if (options.json) printJson(verdicts);
  for (const verdict of options.json ? [] : verdicts) {
    if (verdict.done)
      printWords(`${verdict.id}: ${verdict.entity_type} ${verdict.entity_id} ${done} (was ${verdict.was})`);
    else remark(`syncd: ${verdict.id}: ${whyNot(verdict)}`);
    const hint = hintFor(verdict);
    if (hint !== undefined) remark(`hint: ${hint}`);
  }
  if (!options.json && verdicts.length === 0) print('Nothing has failed; nothing was changed.');
  return verdicts.every((verdict) => verdict.done) ? EXIT.done : EXIT.failed;
}
