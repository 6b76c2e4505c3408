/**
 * Stands between a new connection and the reading of its first byte: knows who holds how many connections, and turns away
 * whoever is one too many or is not wanted at all, for a fraction of what a request costs.
 */
import type { Socket } from 'node:net';
import { type AddressList, canonicalAddress, senderKey } from './addresses.js';
import type { HttpAnswer } from './exchange.js';
import { type Farewell, onWire } from './farewell.js';
import { tooMany } from './refusal.js';

/** `turn_away` carries an answer that is written at once; `drop` is the cheapest way to be rid of somebody. */
export type Admission = { kind: 'serve' } | { kind: 'turn_away'; answer: HttpAnswer } | { kind: 'drop' };

const MOST_OF_ONE = 8;

export class Door {
  readonly #trusted: AddressList;
  readonly #farewell: Farewell;
  readonly #admit: (address: string) => Admission;
  readonly #sockets = new Set<Socket>();
  /** Connections being served, by sender. */
  readonly #held = new Map<string, number>();

  /** @param admit asked for every connection, with the peer's address; default: all are served */
  constructor(
    trusted: AddressList,
    farewell: Farewell,
    admit: (address: string) => Admission = () => ({ kind: 'serve' }),
  ) {
    this.#trusted = trusted;
    this.#farewell = farewell;
    this.#admit = admit;
  }

  /** @param serve to be called for a connection whose requests are to be read */
  enter(socket: Socket, serve: () => void): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    const address = canonicalAddress(socket.remoteAddress);
    // The other end is gone already.
    if (address === undefined) {
      socket.destroy();
      return;
    }
    const admission = this.#admission(address);
    switch (admission.kind) {
      case 'drop':
        socket.resetAndDestroy();
        return;
      case 'turn_away':
        this.#farewell.refuse(socket, onWire(admission.answer));
        return;
      case 'serve':
        this.#hold(socket, senderKey(address));
        serve();
        return;
      default:
        admission satisfies never;
    }
  }

  /** Cuts every connection. */
  clear(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #admission(address: string): Admission {
    const admission = this.#admit(address);
    if (admission.kind !== 'serve') return admission;
    // Everybody behind a proxy of ours shares its address.
    if (this.#trusted.has(address) || (this.#held.get(senderKey(address)) ?? 0) < MOST_OF_ONE) return admission;
    return { kind: 'turn_away', answer: tooMany(1, `more than ${MOST_OF_ONE} connections from one address`) };
  }

  #hold(socket: Socket, key: string): void {
    this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
    socket.once('close', () => {
      const left = (this.#held.get(key) ?? 1) - 1;
      if (left > 0) this.#held.set(key, left);
      else this.#held.delete(key);
    });
  }
}
