/**
 * The configuration while the daemon runs: in force is what was read last without a fault. Reading it anew ends the session that
 * works by the old one; the next one begins a moment later in the same process, and nothing is lost, for the tables know what
 * waits. A faulty file changes nothing and is told with every fault.
 *
 * The file is also looked at now and then. A change that nobody has announced is not taken, it may be half of one, but told; only
 * a key that the cloud refuses is looked for anew by itself.
 */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { compareSettings, FIXED } from '../config/differences.js';
import { ConfigurationError, lineOf } from '../config/faults.js';
import type { LoadedSettings } from '../config/load.js';
import type { Settings } from '../config/settings.js';
import { INSTALL, SyncError, wordsOf } from '../errors.js';
import type { AdaptableLog } from '../log.js';

export class Reload {
  readonly #read: () => LoadedSettings;
  readonly #log: AdaptableLog;
  readonly #file: string;
  #inForce: Pick<LoadedSettings, 'settings' | 'origins'>;
  #renewing = new AbortController();
  /** Of the text in force. */
  #digest: string;
  #stamp = '';
  #changedAt: string | undefined;
  #tries = 0;
  #onTurn: (turn: 'begins' | 'ends') => void = () => {};

  /** @param read loads it from where it was loaded at the start */
  constructor(loaded: LoadedSettings, read: () => LoadedSettings, log: AdaptableLog) {
    this.#inForce = loaded;
    this.#file = loaded.file;
    this.#read = read;
    this.#log = log;
    this.#digest = digestOf(loaded.file);
  }

  /** The settings for the next session, and what ends it when there are others. */
  begin(): { settings: Settings; renewed: AbortSignal } {
    if (this.#renewing.signal.aborted) this.#renewing = new AbortController();
    return { settings: this.#inForce.settings, renewed: this.#renewing.signal };
  }

  /** Told when a person's wish to read it anew begins and ends to be dealt with. */
  onTurn(told: (turn: 'begins' | 'ends') => void): void {
    this.#onTurn = told;
  }

  /** A person asks for it: SIGHUP. Never throws. */
  again(): void {
    this.#onTurn('begins');
    this.#again();
    this.#onTurn('ends');
  }

  /** The cloud refuses the key: another one may lie in its file by now. Nothing else of the file is taken. */
  lookForKey(): void {
    try {
      const { settings, secrets } = this.#read();
      const { settings: now } = this.#inForce;
      if (settings.cloud.apiKey === now.cloud.apiKey || settings.cloud.url !== now.cloud.url) return;
      this.#inForce = {
        ...this.#inForce,
        settings: { ...now, cloud: { ...now.cloud, apiKey: settings.cloud.apiKey } },
      };
      this.#log.adapt({ secrets });
      this.#log.info('the API key was exchanged; the cloud is asked with the new one');
      this.#renewing.abort();
    } catch {
      // What is wrong with the file is told when somebody asks for it to be read.
    }
  }

  /** When the file was changed without having been read; undefined while it says what is in force. */
  unreadSince(): string | undefined {
    try {
      const { mtimeMs, ctimeMs, size, ino } = statSync(this.#file);
      const stamp = `${mtimeMs} ${ctimeMs} ${size} ${ino}`;
      if (stamp === this.#stamp) return this.#changedAt;
      const changedAt = digestOf(this.#file) === this.#digest ? undefined : new Date(mtimeMs).toISOString();
      if (changedAt !== undefined && this.#changedAt === undefined) {
        this.#log.warn('the configuration file was changed and is not in force yet', {
          trouble: `configuration ${changedAt}`,
          error: 'check it with syncd config, then: systemctl reload syncd',
        });
      }
      this.#stamp = stamp;
      this.#changedAt = changedAt;
    } catch {
      // Editors replace files: it is there again at the next look.
    }
    return this.#changedAt;
  }

  #again(): void {
    const digest = digestOf(this.#file);
    const fresh = this.#load();
    if (!fresh) return;
    const { settings, changed, restart, install } = compareSettings(this.#inForce, fresh);
    this.#digest = restart.length > 0 ? this.#digest : digest;
    this.#stamp = '';
    for (const warning of fresh.warnings) this.#log.warn(warning);
    if (changed.length === 0) {
      this.#log.info('the configuration was read anew and is as it was');
      return;
    }
    const kept = this.#inForce.origins.filter(({ path }) => FIXED.test(path));
    this.#inForce = { settings, origins: [...fresh.origins.filter(({ path }) => !FIXED.test(path)), ...kept] };
    this.#log.adapt({ ...settings.log, secrets: fresh.secrets });
    const now = changed.filter((path) => !restart.includes(path));
    this.#log.info('the configuration was read anew', {
      changed: now,
      ...(restart.length > 0 && {
        waits_for_a_restart: restart,
        hint: 'these stay as they were: systemctl restart syncd',
      }),
      ...(install.length > 0 && {
        waits_for_install: install,
        hint_install: `the database follows with: ${INSTALL}`,
      }),
    });
    if (now.some((path) => !path.startsWith('log.'))) this.#renewing.abort();
  }

  #load(): LoadedSettings | undefined {
    try {
      return this.#read();
    } catch (error) {
      const faults = error instanceof ConfigurationError ? error.faults.map(lineOf) : [wordsOf(error)];
      this.#log.error('the configuration has faults; what is in force stays', {
        // Told at every try: somebody waits for the answer.
        trouble: `configuration ${++this.#tries}`,
        faults,
        hint: error instanceof SyncError ? error.hint : '',
      });
      return undefined;
    }
  }
}

function digestOf(file: string): string {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('hex');
  } catch {
    return '';
  }
}
