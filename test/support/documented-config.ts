/** The documented configuration, with the files that it names, in a directory that each test has to itself. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LoadedSettings, type LoadOptions, loadSettings } from '../../src/config/load.js';

export let directory: string;
export let file: string;
export const at = (name: string) => join(directory, name);
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'syncd-config-'));
  file = at('syncd.yaml');
});
afterEach(() => rmSync(directory, { recursive: true }));

export const DOCUMENTED = `
outlet: { id: 6f1c, code: JKT-014, timezone: Asia/Jakarta }
database: { url: "postgres:///pos?host=/var/run/postgresql" }
state_dir: /var/lib/syncd
cloud:
  url: https://cloud.example.com/api/v1/
  timeout: 30s
  api_key_file: KEYFILE
  compression: auto
sync: { enabled: true, interval: 30s, long_poll: 25s, since: 2026-11-01T00:00:00+07:00, conflict: newest_wins, retry: { max_retries: 3, initial_backoff: 1m, max_backoff: 30m, multiplier: 2 } }
entities:
  order:   { table: public.orders, direction: push }
  product: { table: public.products, direction: both, conflict: merge, merge_fallback: manual, exclude: [cost_secret] }
  tax:     { table: '"Tax Rates"', key: [code], direction: pull }
  stock:   { table: public.stock, direction: both, conflict: merge, delta: [qty], coalesce: true, local: [updated_at], also_writes: [public.stock_log] }
  payment: { table: public.payments, direction: push, date_field: paid_at, money_field: amount }
webhook: { listen: 0.0.0.0:8420, profile: auto, secrets_file: SECRETSFILE, allow_ips: [203.0.113.0/24], trusted_proxies: [] }
admin:   { listen: 127.0.0.1:8421, token_file: TOKENFILE, read_token_file: READFILE, hosts: [till-7.local] }
alerts:  { failure_rate: 5%, window: 15m, oldest_pending: 5m, offline: 30m, send: [ { url: https://x.example/planted-hook }, { command: [/usr/local/bin/notify-owner] } ] }
retention: { queue: 30d, logs: 30d }
capture: { notify: gate, on_error: continue }
disk: { path: /var/lib/postgresql, warn: 14d, floor: 1GB }
`;

/** Writes the documented file with a key file beside it, and loads it. */
export function load(options: LoadOptions & { yaml?: string } = {}): LoadedSettings {
  writeFileSync(at('key'), 'planted-file-key\n', { mode: 0o600 });
  writeFileSync(at('secrets'), `planted-webhook-1\nwhsec_${Buffer.from('planted-webhook-2').toString('base64')}\n`, {
    mode: 0o600,
  });
  writeFileSync(at('token'), 'planted-admin-token\n', { mode: 0o600 });
  writeFileSync(at('read'), 'planted-read-token\n', { mode: 0o600 });
  const yaml = (options.yaml ?? DOCUMENTED).replace('KEYFILE', at('key')).replace('SECRETSFILE', at('secrets'));
  writeFileSync(file, yaml.replace('TOKENFILE', at('token')).replace('READFILE', at('read')), { mode: 0o600 });
  return loadSettings({ file, env: {}, ...options });
}
