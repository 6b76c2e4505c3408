/**
 * The active secrets of the webhooks, read again when their file changes. A file that cannot be read, or is empty for the
 * moment in which somebody writes it, leaves those that were there: no message is lost to a rotation. Nothing of it is ever
 * told to anybody.
 */
import { readFileSync, statSync } from 'node:fs';
import { codeOf } from '../../errors.js';
import { parseSecrets, type Secret } from './signature.js';

/** A file that was written this short a time before it was read may have been written again within the same tick. */
const SETTLED_MS = 100;
const LOOK_EVERY_MS = 1_000;

export class SecretsFile {
  readonly #file: string;
  readonly #onFault: (reason: string) => void;
  #secrets: readonly Secret[] = [];
  #seen = '';
  #lookedAt = Number.NEGATIVE_INFINITY;

  /** @param onFault told why the file was not taken; once for each look that failed */
  constructor(file: string, onFault: (reason: string) => void) {
    this.#file = file;
    this.#onFault = onFault;
  }

  /** Empty only where none could ever be read. @param nowMs on a clock that never jumps */
  current(nowMs: number): readonly Secret[] {
    if (nowMs - this.#lookedAt >= LOOK_EVERY_MS) this.#look(nowMs);
    return this.#secrets;
  }

  /** For a message that fits none: the secrets if they were exchanged meanwhile, else undefined. */
  exchanged(nowMs: number): readonly Secret[] | undefined {
    const before = this.#secrets;
    this.#look(nowMs);
    return this.#secrets === before ? undefined : this.#secrets;
  }

  #look(nowMs: number): void {
    this.#lookedAt = nowMs;
    try {
      const { mtimeNs, ctimeNs, size, ino } = statSync(this.#file, { bigint: true });
      const seen = `${mtimeNs} ${ctimeNs} ${size} ${ino}`;
      if (seen === this.#seen) return;
      const secrets = parseSecrets(readFileSync(this.#file, 'utf8'));
      const settled = Date.now() - Number(ctimeNs / 1_000_000n) > SETTLED_MS;
      this.#seen = settled ? seen : '';
      if (secrets.length > 0) this.#secrets = secrets;
      else if (settled) this.#onFault('is empty');
    } catch (error) {
      this.#seen = '';
      this.#onFault(codeOf(error) === 'ENOENT' ? 'does not exist' : `cannot be read (${codeOf(error) ?? 'unknown'})`);
    }
  }
}
