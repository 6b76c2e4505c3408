/** Asks a person on a terminal; where there is none, nobody can be asked, and the command says which option answers for them. */
import { createInterface } from 'node:readline/promises';
import { codeOf, SyncError } from '../errors.js';

/** @throws SyncError `usage` where nobody sits at a terminal */
export async function confirm(question: string, option = '--yes'): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new SyncError('usage', 'nothing was changed: there is no terminal to ask on', {
      hint: `Once you are sure, say so with ${option}.`,
    });
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const answer = await terminal.question(`${question} [y/N] `);
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    // Ctrl-C and Ctrl-D are an answer too. The cursor stands behind the question.
    if (codeOf(error) !== 'ABORT_ERR') throw error;
    process.stdout.write('\n');
    return false;
  } finally {
    terminal.close();
  }
}
