/** What a configuration that was read anew changes, by the names of the file, and what of it has to wait. */
import { writeFileSync } from 'node:fs';
import { compareSettings } from '../../src/config/differences.js';
import { loadSettings } from '../../src/config/load.js';
import { ConfigFile, GOOD } from '../support/config-file.js';

let file: ConfigFile;
beforeEach(() => {
  file = new ConfigFile();
});
afterEach(() => file.remove());

const load = (text: string) => {
  writeFileSync(file.file, text);
  return loadSettings({ file: file.file, env: {} });
};
const compare = (find: string, replace: string) => {
  const now = load(GOOD);
  expect(GOOD).toContain(find);
  return { now, ...compareSettings(now, load(GOOD.replace(find, replace))) };
};

test('the same file changes nothing', () => {
  expect(compare('outlet', 'outlet')).toMatchObject({ changed: [], restart: [], install: [] });
});

test.each([
  ['interval: 30s', 'interval: 10s', ['sync.interval']],
  ['interval: 30s', 'retry: { max_retries: 9 }', ['sync.retry.max_retries']],
  ['planted-key-1', 'planted-key-2', ['cloud.api_key']],
  [
    'entities:',
    'alerts: { offline: 5m, send: [{ url: https://hook.example/a }] }\nentities:',
    ['alerts.offline', 'alerts.send'],
  ],
  ['entities:', 'log: { level: debug }\nentities:', ['log.level']],
  ['public.orders }', 'public.orders, conflict: cloud_wins }', ['entities.order.conflict']],
])('%s → %s holds at once', (find, replace, paths) => {
  const { changed, restart, install } = compare(find, replace);
  expect({ changed, restart, install }).toEqual({ changed: paths, restart: [], install: [] });
});

test.each([
  ['public.orders', 'public.sales', ['entities.order.table']],
  ['public.orders }', 'public.orders, exclude: [note] }', ['entities.order.exclude']],
  ['cloud.example.com', 'other.example.com', ['cloud.url']],
])('%s → %s holds, and the database follows with an install', (find, replace, paths) => {
  const { changed, restart, install } = compare(find, replace);
  expect({ changed, restart, install }).toEqual({ changed: paths, restart: [], install: paths });
});

test.each([
  ['id: outlet-7', 'id: outlet-8', 'outlet.id'],
  ['postgres:///pos', 'postgres:///other', 'database.url'],
  ['entities:', 'state_dir: /srv/syncd\nentities:', 'state_dir'],
])('%s → %s makes another daemon: it stays as it was until a restart', (find, replace, path) => {
  const { now, settings, restart } = compare(find, replace);
  expect(restart).toEqual([path]);
  expect(settings).toEqual(now.settings);
});

test('a new password for the database is a change, and no value of any kind is shown', () => {
  const now = load(GOOD.replace('postgres:///pos', 'postgres://u:planted-one@h/pos'));
  const fresh = load(GOOD.replace('postgres:///pos', 'postgres://u:planted-two@h/pos'));
  const found = compareSettings(now, fresh);
  expect(found.restart).toEqual(['database.url']);
  expect(JSON.stringify([found.changed, found.restart, found.install])).not.toContain('planted');
});
