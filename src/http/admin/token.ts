/**
 * Who may use the admin port: whoever brings the token, on loopback too. Owns the token files: the one that is made here when
 * the configuration names none, and the reading of all of them anew when they change, so that a token can be exchanged while
 * the daemon runs. A file that is gone or holds no token opens for nobody until it is put right.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmodSync, linkSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { oneToken } from '../../config/secret-files.js';
import type { AdminSettings } from '../../config/settings.js';
import { prepareStateDir } from '../../config/state-dir.js';
import { codeOf, SyncError, wordsOf } from '../../errors.js';
import type { Log } from '../../log.js';
import { Attempts } from '../webhooks/attempts.js';

export type Bearer = 'admin' | 'read';

export type Admission =
  | { kind: 'admitted'; bearer: Bearer }
  | { kind: 'none' }
  | { kind: 'wrong' }
  | { kind: 'locked'; forMs: number };

type Deps = {
  admin: Pick<AdminSettings, 'tokenFile' | 'readTokenFile'>;
  state_dir: string;
  log: Log;
  monotonicMs: () => number;
};

/** A file is looked at again no sooner than this after the last look. */
const LOOK_MS = 500;

export class Tokens {
  readonly #files: TokenFile[];
  readonly #attempts = new Attempts();
  readonly #monotonicMs: () => number;

  /** @throws SyncError `configuration` where a token can be neither made nor read */
  constructor({ admin, state_dir, log, monotonicMs }: Deps) {
    const own = admin.tokenFile ?? join(state_dir, 'admin_token');
    if (admin.tokenFile === undefined) {
      prepareStateDir(state_dir);
      makeToken(own);
    }
    this.#files = [new TokenFile('admin', own, log)];
    if (admin.readTokenFile !== undefined) this.#files.push(new TokenFile('read', admin.readTokenFile, log));
    this.#monotonicMs = monotonicMs;
  }

  /** @param header the value of Authorization @param address whose wrong tokens are counted */
  admit(header: string | undefined, address: string): Admission {
    const nowMs = this.#monotonicMs();
    const forMs = this.#attempts.lockedMs(address, nowMs);
    if (forMs > 0) return { kind: 'locked', forMs };
    if (header === undefined) return { kind: 'none' };
    const token = /^bearer +(\S+)$/i.exec(header.trim())?.[1];
    const given = digest(token ?? '');
    let bearer: Bearer | undefined;
    // Every file is compared, so that the time tells nothing of which was near.
    for (const file of this.#files) {
      const expected = file.digest(nowMs);
      if (expected && timingSafeEqual(expected, given) && token !== undefined) bearer ??= file.bearer;
    }
    if (bearer) return { kind: 'admitted', bearer };
    this.#attempts.wrong(address, nowMs);
    return { kind: 'wrong' };
  }
}

class TokenFile {
  readonly bearer: Bearer;
  readonly #path: string;
  readonly #log: Log;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #seen = '';
  #digest: Buffer | undefined;

  constructor(bearer: Bearer, path: string, log: Log) {
    this.bearer = bearer;
    this.#path = path;
    this.#log = log;
  }

  digest(nowMs: number): Buffer | undefined {
    if (nowMs - this.#lookedAt < LOOK_MS) return this.#digest;
    this.#lookedAt = nowMs;
    const trouble = `${this.bearer} token`;
    try {
      const { ino, size, mtimeMs } = statSync(this.#path);
      const seen = `${ino} ${size} ${mtimeMs}`;
      // Within the clock tick of a write the same stamp may hide another content.
      if (seen === this.#seen && Date.now() - mtimeMs > LOOK_MS) return this.#digest;
      const found = oneToken(readFileSync(this.#path, 'utf8'));
      if ('problem' in found) throw new SyncError('configuration', `${this.#path} ${found.problem}`);
      this.#seen = seen;
      this.#digest = digest(found.secrets[0] as string);
      this.#log.info('the token file can be read again', { recovered: trouble });
    } catch (error) {
      this.#seen = '';
      this.#digest = undefined;
      this.#log.error(`nobody can use the admin port with the ${trouble}`, {
        trouble,
        error: wordsOf(error),
        hint: `The daemon's user must be able to read it: ls -l ${this.#path}`,
      });
    }
    return this.#digest;
  }
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** Makes the file with a token of 256 random bits, unless it is there: whole or not at all, and never for other eyes. */
function makeToken(path: string): void {
  const draft = `${path}.${process.pid}`;
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.isFile()) {
      if (found.mode % 0o100 !== 0) chmodSync(path, 0o600);
      return;
    }
    rmSync(draft, { force: true });
    writeFileSync(draft, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx', flush: true });
    // A link, unlike a rename, leaves a file alone that somebody else has made in the meantime.
    linkSync(draft, path);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    throw new SyncError('configuration', `${path} cannot be made: ${wordsOf(error)}`, {
      hint: 'Give the directory to the user that syncd runs as, or name a file with a token in admin.token_file.',
      cause: error,
    });
  } finally {
    rmSync(draft, { force: true });
  }
}
