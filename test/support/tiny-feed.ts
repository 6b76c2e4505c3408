/** The feed of a tiny cloud, of one outlet: pages behind a cursor, and the wait for news. */
import { once } from 'node:events';
import { type Exact, type ExactObject, isObject } from '../../src/cloud-check/exact.js';
import type { BrokenRule } from './broken-rules.js';
import { type Answer, changeOf, type Entity, refusal, roundedBy } from './tiny-answers.js';

export class TinyFeed {
  readonly #broken: ReadonlySet<BrokenRule>;
  readonly #bell: EventTarget;
  readonly #feeds: () => TinyFeed[];
  readonly #entries: Entity[] = [];
  #places = 0;

  /** @param bell rings with every push. @param feeds those of all outlets */
  constructor(broken: ReadonlySet<BrokenRule>, bell: EventTarget, feeds: () => TinyFeed[]) {
    this.#broken = broken;
    this.#bell = bell;
    this.#feeds = feeds;
  }

  nextPlace(): number {
    return ++this.#places;
  }

  append(entity: Entity): void {
    this.#entries.push(entity);
    this.#bell.dispatchEvent(new Event('push'));
  }

  async page(query: URLSearchParams): Promise<Answer> {
    const limit = Number(query.get('limit') ?? 100);
    const [, at, whose] = /^at-(\d+)-(\d+)$/.exec(query.get('cursor') ?? `at-0-${this.#name}`) ?? [];
    const strange = at === undefined;
    if (strange && !this.#breaks('a strange cursor is the end')) return refusal(400, 'cursor');
    if (query.has('since') && this.#breaks('since is refused')) return refusal(400, 'since');
    if (whose !== String(this.#name) && !strange) {
      if (!this.#breaks('a cursor opens its own feed to all')) return refusal(400, 'cursor');
      return (this.#feeds()[Number(whose)] as TinyFeed).page(query);
    }
    await this.#wait(Number(query.get('wait') ?? 0), Number(at));
    const last = this.#entries.reduce((highest, { place }) => Math.max(highest, place), 0);
    const place = strange ? last : Number(at);
    const fromEnd = this.#breaks('pages are counted from the newest change');
    const inOrder = this.#entries.toSorted((a, b) => a.place - b.place);
    const shown = this.#breaks('pages bring no deletes') ? inOrder.filter(({ data }) => data !== null) : inOrder;
    const rest = fromEnd ? shown.toReversed().slice(place) : shown.filter((one) => one.place > place);
    const page = rest.slice(0, limit);
    const next = fromEnd ? place + page.length : (page.at(-1)?.place ?? place);
    const more = rest.length > page.length && !this.#breaks('there is never more');
    const changes = page.map((entity) => this.#inPage(changeOf(entity)));
    return { status: 200, body: { changes, next_cursor: `at-${next}-${this.#name}`, has_more: more } };
  }

  /** Which of the feeds this is. */
  get #name(): number {
    return this.#feeds().indexOf(this);
  }

  async #wait(seconds: number, place: number): Promise<void> {
    if (this.#breaks('a wait is waited to its end'))
      await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
    if (!this.#breaks('any push ends a wait') || seconds === 0) return;
    if (this.#entries.some((one) => one.place > place)) return;
    await once(this.#bell, 'push', { signal: AbortSignal.timeout(seconds * 1_000) }).catch(() => {});
  }

  #breaks(rule: BrokenRule): boolean {
    return this.#broken.has(rule);
  }

  #asBrought(row: ExactObject): Exact {
    if (this.#breaks('numbers in pages are floats')) return roundedBy(row);
    return this.#breaks('pages bring only what changed') ? { name: row.name ?? null } : row;
  }

  #inPage({ operation, data, ...change }: ExactObject): ExactObject {
    if (this.#breaks('pages have no rows') && operation !== 'delete')
      return { ...change, operation: operation ?? null };
    const brought = this.#breaks('pages tell when they were made') ? { updated_at: new Date().toISOString() } : {};
    const row = isObject(data) ? this.#asBrought(data) : null;
    const named = this.#breaks('pages name no operation') ? {} : { operation: operation ?? null };
    return { ...change, ...named, ...brought, data: row };
  }
}
