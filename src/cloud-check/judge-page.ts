/** Holds a page of changes against the contract, by the daemon's own reader. Pure; as judge-push. */
import { parseObject } from '../cloud/reply.js';
import type { IncomingChange } from '../inbox/change.js';
import { type Page, parsePage } from '../inbox/envelope.js';
import { answerWords, broken, type Fault, NO_JSON } from './check.js';
import { readExactly, whatIsLost } from './exact.js';
import type { Exchange } from './exchange.js';
import { otherTime } from './judge-time.js';
import type { Change } from './test-outlet.js';

/** @returns undefined where it is none */
export function pageOf({ reply }: Exchange): Page | undefined {
  const read = reply.kind === 'answer' && reply.status === 200 ? parsePage(reply.body) : undefined;
  return read?.kind === 'page' ? read : undefined;
}

/** @param limit how many changes were asked for */
export function mustBePage(exchange: Exchange, limit: number): Fault | undefined {
  const { reply } = exchange;
  if (reply.kind === 'none' || reply.status !== 200)
    return broken(`${answerWords(exchange)} instead of 200 and a page`, exchange);
  if (!/^\s*\{/.test(reply.body)) return broken(NO_JSON, exchange);
  const read = parsePage(reply.body);
  if (read.kind === 'malformed') return broken(`the page cannot be read: ${read.reason}`, exchange);
  if (read.next_cursor === '') return broken('next_cursor is empty', exchange);
  if (read.changes.length > limit)
    return broken(`the page has ${read.changes.length} changes where limit is ${limit}`, exchange);
  const bad = read.changes.find(({ fault }) => fault !== undefined);
  if (bad) return broken(`a change of ${bad.entity_type} ${bad.entity_id} cannot be applied: ${bad.fault}`, exchange);
  return lackIn(exchange, read, parseObject(reply.body)?.changes as Record<string, unknown>[]);
}

/** What the daemon makes do without, and the shop pays for: a call for every row, a conflict that nobody can date. */
function lackIn(exchange: Exchange, { changes }: Page, given: Record<string, unknown>[]): Fault | undefined {
  for (const [place, { entity_type, entity_id, operation, updated_at }] of changes.entries()) {
    const lack =
      given[place]?.operation === undefined || given[place]?.operation === null
        ? 'operation'
        : operation === 'hint'
          ? 'data, the whole row'
          : updated_at === null
            ? 'updated_at'
            : undefined;
    if (lack !== undefined) return broken(`the change of ${entity_type} ${entity_id} lacks ${lack}`, exchange);
  }
  return undefined;
}

/**
 * @param came what the page brings of the entity last; undefined: nothing.
 * @param sent with a `changed_at` of long ago, unless it is a delete
 */
export function mustBring(page: Exchange, came: IncomingChange | undefined, sent: Change): Fault | undefined {
  const { operation, entity_id, data, changed_at } = sent;
  if (came === undefined)
    return broken(
      `the ${operation} of ${entity_id} does not come, though other changes of the outlet's own do: an outlet would miss it`,
      page,
    );
  if (data === null)
    return came.operation === 'delete'
      ? undefined
      : broken(`the delete of ${entity_id} comes as ${came.operation}: the shop would keep the row`, page);
  const lost = whatIsLost(readExactly(data) ?? null, readExactly(came.data ?? 'null'), 'each');
  if (lost !== undefined) return broken(`the row does not come as it was sent: ${lost}`, page);
  const why = otherTime(changed_at, came.updated_at);
  return why === undefined ? undefined : broken(why, page);
}

/** The changes that a page brings, by name and version, in its order. */
export function namesIn({ changes }: Page): string[] {
  return changes.map(({ entity_type, entity_id, cloud_version }) =>
    JSON.stringify([entity_type, entity_id, cloud_version]),
  );
}

/** A page that was asked for again: all that it brought before, in the same order; more may have come behind it. */
export function mustRepeat(first: Exchange, again: Exchange): Fault | undefined {
  const { reply } = again;
  if (reply.kind === 'answer' && reply.status === 410) return undefined;
  const [before, after] = [pageOf(first), pageOf(again)];
  if (before === undefined) return broken('the first page cannot be read', first);
  if (after === undefined)
    return broken(`the same cursor once more was answered with ${answerWords(again)}, not with a page or 410`, again);
  const came = new Set(namesIn(after));
  const lost = namesIn(before).find((name) => !came.has(name));
  return lost === undefined ? undefined : broken(`asked again, the same cursor does not bring ${lost}`, again);
}
