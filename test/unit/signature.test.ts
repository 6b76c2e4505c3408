/** Signatures of webhooks: vectors for the cloud's team, checked against openssl and Standard Webhooks' own library; and one true message, spoilt in every way. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { type Profile, parseSecrets, TOLERANCE_MS, verify } from '../../src/http/webhooks/signature.js';
import { type Header, signatureHeaders } from '../support/signed-webhook.js';

type Vector = {
  name: string;
  profile: Profile;
  secret: string;
  id: string | null;
  timestamp: number | null;
  body: string;
  headers: Record<string, string>;
};
const VECTORS = JSON.parse(readFileSync(join('test', 'golden', 'signatures.json'), 'utf8')) as Vector[];
const NOW_S = 1_795_312_800;

const valuesOf =
  (headers: readonly (readonly [string, string])[]) =>
  (name: string): string[] =>
    headers.filter(([known]) => known.toLowerCase() === name).map(([, value]) => value);

function verdict(
  headers: readonly (readonly [string, string])[],
  body: string | Buffer,
  secrets: string,
  accepted: Profile | 'auto' = 'auto',
  nowMs = NOW_S * 1_000,
) {
  return verify(valuesOf(headers), Buffer.from(body), parseSecrets(secrets), accepted, nowMs);
}

function openssl(key: Buffer, text: string): Buffer {
  const mac = `hexkey:${key.toString('hex')}`;
  const args = ['dgst', '-sha256', '-mac', 'HMAC', '-macopt', mac, '-binary'];
  return execFileSync('openssl', args, { input: text });
}

describe.each(VECTORS)('vector: $name', ({ profile, secret, id, timestamp, body, headers }) => {
  const list = Object.entries(headers);

  test('it is taken, by its profile and by auto', () => {
    const nowMs = (timestamp ?? NOW_S) * 1_000;
    for (const accepted of [profile, 'auto'] as const)
      expect(verdict(list, body, secret, accepted, nowMs)).toEqual({ kind: 'signed', profile, id });
  });

  test('openssl signs it alike', () => {
    const decoded = profile === 'standard' && secret.startsWith('whsec_');
    const key = decoded ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret);
    const mac = openssl(key, id === null ? body : `${id}.${timestamp}.${body}`);
    const signature = headers['X-Cloud-Signature'] ?? headers['webhook-signature'] ?? '';
    expect([mac.toString('hex'), mac.toString('base64')].some((form) => signature.includes(form))).toBe(true);
  });
});

test('Standard Webhooks’ own library signs as its vectors say, and takes what we sign', () => {
  const standard = VECTORS.filter(({ secret }) => secret.startsWith('whsec_')).filter(
    ({ profile }) => profile === 'standard',
  );
  expect(standard.length).toBeGreaterThan(0);
  for (const { secret, id, timestamp, body, headers } of standard) {
    const library = new Webhook(secret);
    expect(library.sign(id as string, new Date((timestamp as number) * 1_000), body)).toBe(
      headers['webhook-signature'],
    );
    const fresh = Object.fromEntries(signatureHeaders(body, { profile: 'standard', secret }));
    expect(library.verify(body, fresh)).toEqual(JSON.parse(body));
  }
});

const SECRET = 'the-secret-of-the-outlet';
const BODY =
  '{"event_id":"evt_1","changes":[{"entity_type":"product","data":{"name":"Kopi \u2615","price":125000.00}}]}';
const PROFILES = ['body', 'timestamped', 'standard'] as const;

describe.each(PROFILES)('one true message of profile %s', (profile) => {
  const headers = signatureHeaders(BODY, { profile, secret: SECRET, id: 'evt_1', seconds: NOW_S });
  const replaced = (at: number, value: string): Header[] =>
    headers.map(([name, old], place) => [name, place === at ? value : old]);

  test('is taken as it is', () => expect(verdict(headers, BODY, SECRET).kind).toBe('signed'));

  test('is refused with any bit of any byte of its body turned', () => {
    const bytes = Buffer.from(BODY);
    for (let at = 0; at < bytes.length; at++) {
      for (let bit = 1; bit < 256; bit *= 2) {
        const spoilt = Buffer.from(bytes);
        spoilt[at] = (spoilt[at] as number) ^ bit;
        expect(verdict(headers, spoilt, SECRET)).toEqual({ kind: 'unsigned' });
      }
    }
  });

  test('is refused with a byte less, more, doubled, or none', () => {
    const bytes = Buffer.from(BODY);
    for (let at = 0; at < bytes.length; at++) {
      for (const rest of [at + 1, at - 1]) {
        const spoilt = Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, rest))]);
        if (rest >= 0) expect(verdict(headers, spoilt, SECRET)).toEqual({ kind: 'unsigned' });
      }
    }
    for (const spoilt of [`${BODY} `, ` ${BODY}`, `${BODY}\n`, BODY + BODY, ''])
      expect(verdict(headers, spoilt, SECRET)).toEqual({ kind: 'unsigned' });
  });

  test('is refused with any character of its headers changed', () => {
    headers.forEach(([, value], place) => {
      for (let at = 0; at < value.length; at++) {
        const other = value[at] === '7' ? '8' : '7';
        const spoilt = value.slice(0, at) + other + value.slice(at + 1);
        expect([value, verdict(replaced(place, spoilt), BODY, SECRET).kind]).toEqual([value, 'unsigned']);
        const shorter = value.slice(0, at) + value.slice(at + 1);
        expect([value, verdict(replaced(place, shorter), BODY, SECRET).kind]).toEqual([value, 'unsigned']);
      }
    });
  });

  test('is refused with a header missing, doubled, or empty', () => {
    headers.forEach((_header, place) => {
      const missing = headers.filter((_one, at) => at !== place);
      const doubled = [...headers, headers[place] as Header];
      for (const spoilt of [missing, doubled, replaced(place, '')])
        expect(verdict(spoilt, BODY, SECRET)).toEqual({ kind: 'unsigned' });
    });
  });

  test('is refused by every profile but its own, and under every secret but its own', () => {
    for (const other of PROFILES.filter((one) => one !== profile))
      expect(verdict(headers, BODY, SECRET, other)).toEqual({ kind: 'unsigned' });
    for (const secrets of ['', 'x', `${SECRET}x`, SECRET.slice(1), ` ${SECRET.toUpperCase()}`])
      expect(verdict(headers, BODY, secrets)).toEqual({ kind: 'unsigned' });
    expect(verdict(headers, BODY, `first\n\n  ${SECRET}\r\nlast`).kind).toBe('signed');
  });
});

describe.each(['timestamped', 'standard'] as const)('the time of a message of profile %s', (profile) => {
  const headers = signatureHeaders(BODY, { profile, secret: SECRET, id: 'evt_1', seconds: NOW_S });
  test.each([
    ['now', 0, 'signed'],
    ['300 s ago', TOLERANCE_MS, 'signed'],
    ['a little longer ago', TOLERANCE_MS + 1, 'untimely'],
    ['in 300 s', -TOLERANCE_MS, 'signed'],
    ['a little later', -TOLERANCE_MS - 1, 'untimely'],
    ['a day ago', 86_400_000, 'untimely'],
  ])('%s', (_when, laterMs, kind) => {
    expect(verdict(headers, BODY, SECRET, 'auto', NOW_S * 1_000 + laterMs).kind).toBe(kind);
  });

  test.each(['-1', '1e9', '0x10', ' 5', '007', '1795312800.0', '99999999999999'])('%p is no time', (seconds) => {
    const signed = signatureHeaders(BODY, { profile, secret: SECRET, id: 'evt_1', seconds: seconds as never });
    expect(verdict(signed, BODY, SECRET)).toEqual({ kind: 'unsigned' });
  });

  test.each(['', 'two words', 'é', 'x'.repeat(256)])('%p is no name of an event', (id) => {
    const signed = signatureHeaders(BODY, { profile, secret: SECRET, id, seconds: NOW_S });
    expect(verdict(signed, BODY, SECRET)).toEqual({ kind: 'unsigned' });
  });
});

test('several signatures: one of them is enough, sixteen are too many to be meant', () => {
  const [id, signature] = signatureHeaders(BODY, {
    profile: 'timestamped',
    secret: SECRET,
    id: 'evt_1',
    seconds: NOW_S,
  });
  const [, hex] = /v1=(.*)$/.exec((signature as Header)[1]) as RegExpExecArray;
  const wrong = `v1=${'0'.repeat(64)}`;
  const taken = (value: string) => verdict([id as Header, ['X-Cloud-Signature', value]], BODY, SECRET).kind;
  expect(taken(`t=${NOW_S},${wrong},v1=${hex}`)).toBe('signed');
  expect(taken(`v0=old, v1=${hex}, t=${NOW_S}`)).toBe('signed');
  expect(taken(`t=${NOW_S},v1=short,v1=${hex}`)).toBe('signed');
  expect(taken(`t=${NOW_S},${`${wrong},`.repeat(16)}v1=${hex}`)).toBe('unsigned');
  expect(taken(`t=${NOW_S},v2=${hex}`)).toBe('unsigned');
  expect(taken(`t=${NOW_S},t=${NOW_S},v1=${hex}`)).toBe('unsigned');
});

test('a message that bears a signed time is never judged without it', () => {
  const bare = signatureHeaders(BODY, { profile: 'body', secret: SECRET });
  for (const name of ['webhook-id', 'webhook-timestamp', 'webhook-signature', 'X-Cloud-Event-Id'])
    expect(verdict([...bare, [name, '']], BODY, SECRET)).toEqual({ kind: 'unsigned' });
});
