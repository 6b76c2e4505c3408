/** How an outlet comes to push: as a new install, or, where its id is in use, at an epoch above the one that holds. */
import { parseError } from '../cloud/reply.js';
import { answerWords, broken, type Outcome, ok, verdictOf } from './check.js';
import type { TestOutlet } from './test-outlet.js';

/** 400 and 422: it is the row that the cloud does not like. */
const SENSIBLE = [200, 400, 409, 422];

/**
 * Leaves the outlet at an epoch at which the cloud takes its pushes.
 * @param keyOption the option whose file holds the outlet's key
 */
export async function takeOverAs(outlet: TestOutlet, keyOption: string): Promise<Outcome> {
  const first = await outlet.push([outlet.change('create', outlet.freshId(), null)]);
  const { reply } = first;
  if (reply.kind === 'none' || !SENSIBLE.includes(reply.status)) {
    const refused = reply.kind === 'answer' && (reply.status === 401 || reply.status === 403);
    const hint = refused ? `; is it the key of this outlet that ${keyOption} holds?` : '';
    return verdictOf([broken(`a push was answered with ${answerWords(first)}${hint}`, first)]);
  }
  if (reply.status !== 409) return ok(`at epoch ${outlet.epoch}`);
  const { code, epoch } = parseError(reply.body);
  // Seconds grow from run to run, and so get past a cloud that does not tell.
  outlet.epoch = epoch === undefined ? Math.floor(Date.now() / 1_000) : epoch + 1;
  if (code !== 'fork') return verdictOf([broken('the 409 has no error.code "fork"', first)]);
  if (epoch === undefined)
    return verdictOf([
      broken('the 409 does not tell the epoch that holds (error.epoch); nobody can choose a higher one', first),
    ]);
  const again = await outlet.push([outlet.change('create', outlet.freshId(), null)]);
  const forked = again.reply.kind === 'answer' && again.reply.status === 409;
  return verdictOf(
    [forked ? broken(`epoch ${epoch + 1} is refused too, though ${epoch} holds`, again) : undefined],
    `outlet ${outlet.options.outletId} was in use; epoch ${epoch + 1} took over`,
  );
}
