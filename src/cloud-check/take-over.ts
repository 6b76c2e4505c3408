/** How an outlet comes to push: as a new install, or, where its id is in use, at an epoch above the one that holds. */
import { parseError, parseObject } from '../cloud/reply.js';
import { answerWords, broken, type Outcome, ok, verdictOf } from './check.js';
import type { Exchange } from './exchange.js';
import type { TestOutlet } from './test-outlet.js';

/** Whether the cloud looked at the row: it told a result, or refused what was in the batch. */
function isAboutRow({ reply }: Exchange): boolean {
  if (reply.kind === 'none') return false;
  if (reply.status === 200) return Array.isArray(parseObject(reply.body)?.results);
  return reply.status === 400 || reply.status === 422;
}

function is409({ reply }: Exchange): boolean {
  return reply.kind === 'answer' && reply.status === 409;
}

/**
 * Leaves the outlet at an epoch at which the cloud takes its pushes.
 * @param keyOption the option whose file holds the outlet's key
 */
export async function takeOverAs(outlet: TestOutlet, keyOption: string): Promise<Outcome> {
  const first = await outlet.push([outlet.change('create', outlet.freshId(), null)]);
  const { reply } = first;
  if (isAboutRow(first)) return ok(`at epoch ${outlet.epoch}`);
  if (reply.kind === 'none' || !is409(first)) {
    const refused = reply.kind === 'answer' && (reply.status === 401 || reply.status === 403);
    const hint = refused ? `; is it the key of this outlet that ${keyOption} holds?` : '';
    const lack = reply.kind === 'answer' && reply.status === 200 ? ' without a list "results"' : '';
    return verdictOf([broken(`a push was answered with ${answerWords(first)}${lack}${hint}`, first)]);
  }
  const { code, epoch } = parseError(reply.body);
  // Seconds grow from run to run, and so get past a cloud that does not tell.
  outlet.epoch = epoch === undefined ? Math.floor(Date.now() / 1_000) : epoch + 1;
  if (code !== 'fork') return verdictOf([broken('the 409 has no error.code "fork"', first)]);
  if (epoch === undefined)
    return verdictOf([
      broken('the 409 does not tell the epoch that holds (error.epoch); nobody can choose a higher one', first),
    ]);
  const again = await outlet.push([outlet.change('create', outlet.freshId(), null)]);
  return verdictOf(
    [is409(again) ? broken(`epoch ${epoch + 1} is refused too, though ${epoch} holds`, again) : undefined],
    `outlet ${outlet.options.outletId} was in use; epoch ${epoch + 1} took over`,
  );
}
