/**
 * Who may knock at the webhook port, and how often in vain. Pure: every call brings the instant. Strangers are turned away
 * before a byte is read; a sender whose requests fail too often is not listened to for a while. What it remembers is bounded,
 * and all of it may be lost.
 */
import { type AddressList, senderKey } from './addresses.js';
import type { Admission } from './door.js';
import type { HttpAnswer } from './exchange.js';
import { refusal, tooMany } from './refusal.js';

/** What a sender may do wrong at once, and then in every second; a connection counts as a tenth of a bad request. */
const CREDIT = { most: 1_000, perSecond: 50, connection: 0.1 };
/** How long nobody listens to one whose credit is used up. */
const PENALTY_MS = 5_000;
const MOST_SENDERS = 1_024;
/** How many are told why they are turned away; the others are cut off, for an answer costs as much as the whole rest. */
const TOLD = { most: 300, perSecond: 50 };
const FORBIDDEN = { ...refusal(403), close: true };

class Credit {
  readonly #most: number;
  readonly #perSecond: number;
  #left: number;
  #at = Number.NEGATIVE_INFINITY;

  constructor({ most, perSecond }: { most: number; perSecond: number }) {
    this.#most = most;
    this.#perSecond = perSecond;
    this.#left = most;
  }

  /** False: there is not that much left. */
  take(amount: number, nowMs: number): boolean {
    const gained = this.#at === Number.NEGATIVE_INFINITY ? 0 : ((nowMs - this.#at) / 1_000) * this.#perSecond;
    this.#left = Math.min(this.#most, this.#left + gained);
    this.#at = nowMs;
    if (this.#left < amount) return false;
    this.#left -= amount;
    return true;
  }
}

type Sender = { credit: Credit; deafUntil: number };

export class Guard {
  readonly #allowed: AddressList;
  readonly #trusted: AddressList;
  readonly #senders = new Map<string, Sender>();
  readonly #told = new Credit(TOLD);

  constructor(allowed: AddressList, trusted: AddressList) {
    this.#allowed = allowed;
    this.#trusted = trusted;
  }

  /** Before a byte is read. @param peer in its canonical form @param nowMs on a clock that never jumps */
  admit(peer: string, nowMs: number): Admission {
    if (this.#trusted.has(peer)) return { kind: 'serve' };
    if (!this.#allowed.has(peer)) return this.#turnAway(FORBIDDEN, nowMs);
    const deafForMs = this.#charge(peer, CREDIT.connection, nowMs);
    return deafForMs > 0 ? this.#turnAway(flooding(deafForMs), nowMs) : { kind: 'serve' };
  }

  /** The answer to a request that is not looked at any further; undefined: it is. @param sender who is behind the proxies */
  refuse(sender: string, nowMs: number): HttpAnswer | undefined {
    if (!this.#allowed.has(sender)) return FORBIDDEN;
    const known = this.#senders.get(senderKey(sender));
    const deafForMs = known ? known.deafUntil - nowMs : 0;
    return deafForMs > 0 ? flooding(deafForMs) : undefined;
  }

  /** A request of this sender was refused. */
  failed(sender: string, nowMs: number): void {
    if (this.#allowed.has(sender)) this.#charge(sender, 1, nowMs);
  }

  /** A request of this sender was a true message: what its connection cost is given back. */
  succeeded(sender: string, nowMs: number): void {
    this.#senders.get(senderKey(sender))?.credit.take(-CREDIT.connection, nowMs);
  }

  /** @returns for how long nobody listens to this sender, in ms */
  #charge(sender: string, amount: number, nowMs: number): number {
    const key = senderKey(sender);
    const known = this.#senders.get(key) ?? { credit: new Credit(CREDIT), deafUntil: Number.NEGATIVE_INFINITY };
    // Touched last, so that the first in the map is the one that was quiet for longest.
    this.#senders.delete(key);
    if (this.#senders.size >= MOST_SENDERS) this.#forgetOldest();
    this.#senders.set(key, known);
    if (known.deafUntil <= nowMs && !known.credit.take(amount, nowMs)) known.deafUntil = nowMs + PENALTY_MS;
    return known.deafUntil - nowMs;
  }

  #forgetOldest(): void {
    const [oldest] = this.#senders.keys();
    if (oldest !== undefined) this.#senders.delete(oldest);
  }

  #turnAway(answer: HttpAnswer, nowMs: number): Admission {
    return this.#told.take(1, nowMs) ? { kind: 'turn_away', answer } : { kind: 'drop' };
  }
}

function flooding(deafForMs: number): HttpAnswer {
  return tooMany(Math.max(1, Math.ceil(deafForMs / 1_000)), 'too many requests of this address failed');
}
