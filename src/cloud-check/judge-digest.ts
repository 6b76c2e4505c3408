/** Holds the answers about a digest against the contract. Pure; as judge-push. */
import { parseObject } from '../cloud/reply.js';
import type { WireBucket } from '../cloud/wire.js';
import { answerWords, broken, type Fault } from './check.js';
import type { Exchange } from './exchange.js';

export type Entities = [entity_id: string, cloud_version: number][];

export function entitiesIn({ reply }: Exchange): Entities | undefined {
  const given = reply.kind === 'answer' && reply.status === 200 ? parseObject(reply.body)?.entities : undefined;
  const good = (one: unknown) => Array.isArray(one) && typeof one[0] === 'string' && Number.isSafeInteger(one[1]);
  return Array.isArray(given) && given.every(good) ? (given as Entities) : undefined;
}

export function mustList(exchange: Exchange): Fault | undefined {
  if (entitiesIn(exchange)) return undefined;
  const why = `${answerWords(exchange)} without {"entities":[["<entity_id>",<cloud_version>],…]}`;
  return broken(why, exchange);
}

export function mustName(exchange: Exchange, id: string, version: number | null, what: string): Fault | undefined {
  const found = entitiesIn(exchange)?.find(([name]) => name === id)?.[1] ?? null;
  if (found === version) return undefined;
  const words = found === null ? 'is not listed' : `is listed with version ${found}`;
  return broken(
    `${what} ${words}; ${version === null ? 'it must not be listed' : `it has version ${version}`}`,
    exchange,
  );
}

function differing({ reply }: Exchange): Record<string, unknown>[] | undefined {
  const differ = reply.kind === 'answer' && reply.status === 200 ? parseObject(reply.body)?.differ : undefined;
  return Array.isArray(differ) ? differ.filter((one) => typeof one === 'object' && one !== null) : undefined;
}

export function mustAgree(exchange: Exchange): Fault | undefined {
  const differ = differing(exchange);
  if (differ === undefined) return broken(`${answerWords(exchange)} without a list "differ"`, exchange);
  if (!differ.some(({ bucket }) => bucket === '*')) return undefined;
  return broken("a digest that was reckoned from the cloud's own list is named as different", exchange);
}

/** @param wanted the bucket that has to be named, as the cloud has it */
export function mustDiffer(exchange: Exchange, what: string, wanted: WireBucket): Fault | undefined {
  const differ = differing(exchange);
  if (differ === undefined) return broken(`${answerWords(exchange)} without a list "differ"`, exchange);
  const named = differ.find(({ bucket }) => bucket === wanted.bucket);
  if (!named) return broken(`${what}: the bucket "${wanted.bucket}" is not named`, exchange);
  if (named.count === wanted.count && named.sum === wanted.sum) return undefined;
  const said = `count ${JSON.stringify(named.count)} and sum ${JSON.stringify(named.sum)}`;
  return broken(`${what}: it is named with ${said}, not with ${wanted.count} and "${wanted.sum}"`, exchange);
}
