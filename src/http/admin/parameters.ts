/**
 * Reads what a request of the admin port says beside its path: the query, and the JSON body of a POST. Everything that is not
 * understood is a problem and nothing is guessed; a row in a body is left as the text that it is. Pure but for reading the body.
 */
import { scan } from '../../inbox/scan.js';
import { flawIn, rawText, type Span } from '../../inbox/span.js';
import { CHANGE_STATUSES, entityFilter, sinceFilter } from '../../queue/filters.js';
import type { Filter } from '../../queue/read.js';
import type { HttpRequest } from '../exchange.js';
import { ProblemError } from '../problem.js';

/** The query's parameters by name. @throws ProblemError for one that is unknown, empty or there twice */
export function readQuery(query: URLSearchParams, known: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of query) {
    const shown = JSON.stringify(name.slice(0, 50));
    if (!known.includes(name)) {
      const hint = known.length > 0 ? `Known here: ${known.join(', ')}.` : 'This route takes none.';
      throw new ProblemError('bad-parameter', `there is no parameter ${shown} here`, { hint });
    }
    if (found.has(name)) throw new ProblemError('bad-parameter', `${name} stands twice`);
    if (value === '')
      throw new ProblemError('bad-parameter', `${name} is empty`, { hint: 'Leave it out, or say which.' });
    found.set(name, value);
  }
  return found;
}

export type Narrowing = Pick<Filter, 'status' | 'entity' | 'since'>;

/** The filters that the lists of the command line have. */
export function readFilter(parameters: Map<string, string>, timezone: string, statuses: readonly string[]): Narrowing {
  const [status, entity, since] = ['status', 'entity', 'since'].map((name) => parameters.get(name));
  if (status !== undefined && !statuses.includes(status))
    throw new ProblemError('bad-parameter', 'status is no known one', { hint: `One of ${statuses.join(', ')}.` });
  const narrowing: Narrowing = { status };
  if (entity !== undefined) {
    narrowing.entity = entityFilter(entity);
    if (!narrowing.entity || entity.includes('\0'))
      throw new ProblemError('bad-parameter', 'entity names none', {
        hint: 'A type, order say, or a type and an id, order/42.',
      });
  }
  if (since !== undefined) {
    narrowing.since = sinceFilter(since, timezone);
    if (!narrowing.since)
      throw new ProblemError('bad-parameter', 'since is neither a span nor an instant', {
        hint: '30m, 2h, 3d, 2026-11-22 or 2026-11-22T14:00:00Z; a + in a URL is written %2B.',
      });
  }
  return narrowing;
}

export const QUEUE_STATUSES: readonly string[] = CHANGE_STATUSES;

/** The members of a body. */
export class Body {
  readonly #text: string;
  readonly #members: Map<string, Span>;

  constructor(text: string, members: Map<string, Span>) {
    this.#text = text;
    this.#members = members;
  }

  has(name: string): boolean {
    return this.#members.has(name);
  }

  /** @throws ProblemError where a member has another name than these */
  only(...known: string[]): this {
    for (const name of this.#members.keys()) {
      if (known.includes(name)) continue;
      const hint = known.length > 0 ? `Known here: ${known.join(', ')}.` : 'This route takes an empty body, or {}.';
      throw new ProblemError('bad-body', `there is no member ${JSON.stringify(name.slice(0, 50))} here`, { hint });
    }
    return this;
  }

  /** A text with something in it. @throws ProblemError for anything else; undefined where it is missing */
  text(name: string, longest = 1_000): string | undefined {
    const value = this.#value(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'string' || value.trim() === '' || value.length > longest || value.includes('\0'))
      throw new ProblemError('bad-body', `${name} is no text of 1 to ${longest} characters`);
    return value;
  }

  /** A list of numbers of rows, as texts or as numbers. */
  ids(name: string, most: number): string[] | undefined {
    const span = this.#members.get(name);
    if (!span) return undefined;
    const wrong = () =>
      new ProblemError('bad-body', `${name} is no list of 1 to ${most} numbers`, { hint: `{"${name}": ["12", "13"]}` });
    const value = this.#value(name);
    if (!Array.isArray(value) || value.length === 0 || value.length > most) throw wrong();
    const ids = value.map((item) => {
      const id = typeof item === 'number' && Number.isSafeInteger(item) ? String(item) : item;
      if (typeof id !== 'string' || !/^[1-9]\d{0,18}$/.test(id) || BigInt(id) >= 2n ** 63n) throw wrong();
      return id;
    });
    return [...new Set(ids)];
  }

  /** An object's own text, digits and all. */
  object(name: string): string | undefined {
    const span = this.#members.get(name);
    if (!span) return undefined;
    if (span.kind !== 'object') throw new ProblemError('bad-body', `${name} is no object`);
    return rawText(this.#text, span);
  }

  #value(name: string): unknown {
    const span = this.#members.get(name);
    return span && JSON.parse(rawText(this.#text, span));
  }
}

/**
 * @param limit in bytes
 * @throws ProblemError where it is not JSON for an object, too large, or cut off; an empty one counts as `{}`
 */
export async function readBody(request: HttpRequest, limit: number): Promise<Body> {
  const [type = '', ...parameters] = (request.headers['content-type'] ?? '')
    .toLowerCase()
    .split(';')
    .map((part) => part.trim());
  const charset =
    parameters
      .find((one) => one.startsWith('charset='))
      ?.slice('charset='.length)
      .replaceAll('"', '') ?? 'utf-8';
  if (type !== 'application/json' || charset !== 'utf-8' || request.values('content-type').length > 1)
    throw new ProblemError('not-json', 'what changes something comes as application/json in UTF-8', {
      hint: 'Content-Type: application/json, also where the body is empty.',
    });
  if ((request.headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity')
    throw new ProblemError('not-json', 'the body is compressed, which is not taken here');
  const bytes = await request.body(limit);
  if (bytes === 'too_large') throw new ProblemError('body-too-large', `the body is larger than ${limit} bytes`);
  if (bytes === 'cut_off') throw new ProblemError('bad-body', 'the body did not arrive whole');
  if (bytes.length === 0) return new Body('{}', new Map());
  const text = utf8(bytes);
  const scanned = scan(text, 1);
  if ('fault' in scanned) throw new ProblemError('bad-body', `the body is no JSON: see character ${scanned.at + 1}`);
  const { kind, members } = scanned.root;
  if (kind !== 'object' || !members) throw new ProblemError('bad-body', `the body is no object, but ${kind}`);
  const flaw = flawIn(scanned.root);
  if (flaw) throw new ProblemError('bad-body', `the body cannot be taken: ${flaw}`);
  return new Body(text, members);
}

function utf8(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new ProblemError('bad-body', 'the body is no UTF-8');
  }
}
