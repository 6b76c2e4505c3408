/** What can be wrong with the settings of the listeners and with the files of their secrets, told without a secret. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigFile } from '../support/config-file.js';

const good = new ConfigFile();
afterAll(() => good.remove());

test.each<[string, string, RegExp]>([
  ['an open admin port without a token', 'admin: { listen: 0.0.0.0:8421 }\n', /needs admin.token_file/],
  [
    'one port for two',
    `admin: { listen: 127.0.0.1:8420 }\nwebhook: { secrets_file: SECRETS, allow_ips: ["::1"] }\n`,
    /port 8420 is admin.listen's already/,
  ],
  [
    'the default admin port for webhooks',
    'webhook: { listen: 0.0.0.0:8421, secrets_file: SECRETS, allow_ips: ["::1"] }\n',
    /port 8421 is admin.listen's already/,
  ],
  [
    'a webhook without secrets',
    'webhook: { listen: 0.0.0.0:8420, allow_ips: ["::1"] }\n',
    /^7 \| webhook.secrets_file \| is missing/,
  ],
  ['a webhook from nowhere', 'webhook: { secrets_file: SECRETS, allow_ips: [] }\n', /is everybody$/],
  [
    'a network of 33 bits',
    'webhook: { secrets_file: SECRETS, allow_ips: [10.0.0.0/33] }\n',
    /\["10.0.0.0\/33"\] is not allowed/,
  ],
  ['a host with a port', 'admin: { hosts: ["till:8421"] }\n', /admin.hosts \| .*without a port/],
])('%s', (_, change, expected) => {
  const found = good.faults(change);
  expect(found.join('\n')).toMatch(expected);
  expect(found).toHaveLength(1);
});

describe('a file of secrets', () => {
  const webhook = 'webhook: { secrets_file: FILE, allow_ips: ["::1"] }\n';
  const admin = 'admin: { token_file: FILE }\n';
  test.each([
    [webhook, '', /^7 \| webhook.secrets_file \| .* holds no secret; it takes one a line$/],
    [webhook, '\n \n', /holds no secret/],
    [webhook, 'planted-webhook-secret\n\nplanted', /line 3 is shorter than 16 characters$/],
    [webhook, 'planted webhook secret 1', /line 1 is not made of visible ASCII/],
    [webhook, 'whsec_planted', /line 1 is shorter/],
    [webhook, 'whsec_planted-planted-planted!', /line 1 begins with whsec_, but what follows is not base64/],
    [admin, '', /^7 \| admin.token_file \| .* is empty$/],
    [admin, 'planted-admin', /is shorter than 16/],
    [admin, 'planted-admin-token-1\nplanted-admin-token-2', /holds something else than one token/],
    ['admin: { read_token_file: FILE }\n', 'planted "admin" token', /^7 \| admin.read_token_file \| /],
    [
      'admin: { token_file: FILE, read_token_file: FILE }\n',
      'planted-admin-token-1',
      /holds the same as admin.token_file/,
    ],
    [
      webhook.replace('FILE', '/nowhere/secrets'),
      '',
      /^7 \| webhook.secrets_file \| \/nowhere\/secrets does not exist$/,
    ],
    [admin.replace('FILE', '/proc'), '', /admin.token_file \| \/proc cannot be read \(EISDIR\)$/],
  ])('%s with %j in it', (yaml, content, expected) => {
    const named = join(good.directory, 'named');
    writeFileSync(named, content, { mode: 0o600 });
    const found = good.faults(yaml.replaceAll('FILE', named));
    expect(found.join('\n')).toMatch(expected);
    expect(found).toHaveLength(1);
    expect(found.join()).not.toContain('planted');
  });
});
