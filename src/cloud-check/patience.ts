/**
 * How long a cloud is waited for that keeps silent, or that asks to wait again and again. Each route by itself: a run against a
 * cloud of which one route hangs ends in minutes, not in hours, and still says what there is to say of the others.
 */
import { parseRetryAfterMs, type Reply } from '../cloud/reply.js';
import { steadyMs } from '../time.js';

/** A cloud that lets only so many requests through is within its rights. */
const MOST_WAITS = 5;
const LONGEST_WAIT_MS = 60_000;
/** Requests after one another; those that hang side by side count as one. */
const MOST_SILENCES = 3;

type Route = { silences: number; lastMs: number; busy: boolean };

export class Patience {
  readonly #routes = new Map<string, Route>();

  /** Why this path is asked no more; undefined: it is. */
  isOver(path: string): string | undefined {
    if (this.#of(path).silences < MOST_SILENCES) return undefined;
    return `not asked any more: ${MOST_SILENCES} requests before it had no answer in time`;
  }

  /** @param startedMs when it was sent, by steadyMs */
  heard(path: string, reply: Reply, startedMs: number): void {
    const route = this.#of(path);
    if (reply.kind === 'answer' || !reply.timedOut) route.silences = 0;
    else if (startedMs >= route.lastMs) {
      route.silences++;
      route.lastMs = steadyMs();
    }
    if (askedToWaitMs(reply) === undefined) route.busy = false;
  }

  /**
   * As the outlet waits: by `Retry-After` with 429 or 503. Undefined: no more, and the answer has to do.
   * @param waits how often this request has been waited for
   */
  waitMs(path: string, reply: Reply, waits: number): number | undefined {
    const route = this.#of(path);
    if (waits >= MOST_WAITS) route.busy = true;
    return route.busy ? undefined : askedToWaitMs(reply);
  }

  #of(path: string): Route {
    const [name = path] = /^\/(sync\/)?[a-z]+/.exec(path) ?? [];
    const route = this.#routes.get(name) ?? { silences: 0, lastMs: 0, busy: false };
    this.#routes.set(name, route);
    return route;
  }
}

function askedToWaitMs(reply: Reply): number | undefined {
  if (reply.kind === 'none' || (reply.status !== 429 && reply.status !== 503)) return undefined;
  const waitMs = parseRetryAfterMs(reply.retryAfter, Date.now());
  return waitMs !== undefined && waitMs <= LONGEST_WAIT_MS ? waitMs : undefined;
}
