/** What a tiny cloud remembers of each outlet; where it forgets whose something is, all outlets have the same. */
import type { BrokenRule } from './broken-rules.js';
import type { Answer, Entity } from './tiny-answers.js';
import { TinyFeed } from './tiny-feed.js';

type Living = { install_id: string; epoch: number };

export type Memory = {
  entities: Map<string, Entity>;
  /** By change id. */
  applied: Map<string, { key: string; version: number }>;
  living: { copy: Living | undefined };
  /** Change id by epoch and seq. */
  seqs: Map<string, string>;
  /** By Idempotency-Key; looked at only where it is not the outlet's own. */
  answers: Map<string, Answer>;
  feed: TinyFeed;
};

const FORGETFUL: [rule: BrokenRule, part: keyof Memory][] = [
  ['keys forget the outlet', 'entities'],
  ['change ids forget the outlet', 'applied'],
  ['living copies forget the outlet', 'living'],
  ['seqs forget the outlet', 'seqs'],
  ['the feed forgets the outlet', 'feed'],
];

export class Memories {
  readonly broken: ReadonlySet<BrokenRule>;
  readonly #all = new Map<string, Memory>();
  /** Rung by every push. */
  readonly #bell = new EventTarget();
  readonly #answers = new Map<string, Answer>();

  constructor(broken: ReadonlySet<BrokenRule>) {
    this.broken = broken;
  }

  get all(): Memory[] {
    return [...this.#all.values()];
  }

  of(outletId: string): Memory {
    const known = this.#all.get(outletId);
    if (known) return known;
    const [first] = this.all;
    const own: Memory = {
      entities: new Map(),
      applied: new Map(),
      living: { copy: undefined },
      seqs: new Map(),
      answers: this.#answers,
      feed: new TinyFeed(this.broken, this.#bell, () => this.all.map(({ feed }) => feed)),
    };
    const shared = FORGETFUL.filter(([rule]) => this.broken.has(rule)).map(([, part]) => part);
    const memory: Memory = first ? { ...own, ...Object.fromEntries(shared.map((part) => [part, first[part]])) } : own;
    this.#all.set(outletId, memory);
    return memory;
  }
}
