/** Loads a good configuration with something changed in it, and gives the faults that are found. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError } from '../../src/config/faults.js';
import { loadSettings } from '../../src/config/load.js';

export const GOOD = `outlet: { id: outlet-7 }
database: { url: postgres:///pos }
cloud: { url: https://cloud.example.com, api_key: planted-key-1 }
sync: { interval: 30s }
entities:
  order: { table: public.orders }
`;

export class ConfigFile {
  readonly directory = mkdtempSync(join(tmpdir(), 'syncd-config-'));
  readonly file = join(this.directory, 'syncd.yaml');
  readonly #secrets = join(this.directory, 'secrets');

  constructor() {
    writeFileSync(this.#secrets, 'planted-webhook-secret\n', { mode: 0o600 });
  }

  /** GOOD with one line replaced or lines added; SECRETS in it names a good file. The faults come without the file's name. */
  faults(change: string | [find: string, replace: string], env: NodeJS.ProcessEnv = {}): string[] {
    const text = typeof change === 'string' ? GOOD + change : GOOD.replace(change[0], change[1]);
    writeFileSync(this.file, text.replaceAll('SECRETS', this.#secrets));
    try {
      loadSettings({ file: this.file, env });
      return [];
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      expect(error.code).toBe('configuration');
      expect(error.hint).toContain('syncd config');
      return error.faults.map((fault) =>
        [fault.where, fault.path, fault.problem].join(' | ').replaceAll(`${this.file}:`, ''),
      );
    }
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }
}
