/**
 * Was this message signed by the cloud, and when? Pure. Three profiles of one HMAC-SHA256 over the raw bytes of the body: bare
 * (`body`), together with an id and a time (`timestamped`), and as Standard Webhooks wants it (`standard`). Every signature of
 * a message is compared with every active secret in constant time, so nothing can be learnt from how long a refusal takes.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

export type Profile = 'body' | 'timestamped' | 'standard';

/** One line of the secrets' file: as it stands, and as `standard` takes it. */
export type Secret = { plain: Buffer; standard: Buffer };

export type Verdict =
  /** `id`: the signed name of the event; null in profile `body`, which signs none. */
  | { kind: 'signed'; profile: Profile; id: string | null }
  /** Signed, but not now: a message that was kept back, or a clock that is wrong. */
  | { kind: 'untimely' }
  | { kind: 'unsigned' };

/** How far the signed time may lie from ours, either way. */
export const TOLERANCE_MS = 300_000;
const MOST_SIGNATURES = 16;
const DIGEST_BYTES = 32;

type Claim = { profile: Profile; id: string | null; time: string | null; signatures: Buffer[] };
type Values = (name: string) => readonly string[];

/**
 * @param values every value of a header, by lower-case name
 * @param body the raw bytes
 * @param accepted the one profile that may be used, or `auto`: the one that the headers show
 * @param nowMs epoch ms by the cloud's clock
 */
export function verify(
  values: Values,
  body: Buffer,
  secrets: readonly Secret[],
  accepted: Profile | 'auto',
  nowMs: number,
): Verdict {
  const claim = readClaim(values, accepted === 'auto' ? shownProfile(values) : accepted);
  if (!claim || !isSigned(claim, body, secrets)) return { kind: 'unsigned' };
  if (claim.time !== null && Math.abs(Number(claim.time) * 1_000 - nowMs) > TOLERANCE_MS) return { kind: 'untimely' };
  return { kind: 'signed', profile: claim.profile, id: claim.id };
}

/** The strongest that the headers speak of: a message that bears a signed time is never judged without it. */
function shownProfile(values: Values): Profile {
  if (['webhook-id', 'webhook-timestamp', 'webhook-signature'].some((name) => values(name).length > 0))
    return 'standard';
  const timed =
    values('x-cloud-event-id').length > 0 || values('x-cloud-signature').some((value) => value.includes(','));
  return timed ? 'timestamped' : 'body';
}

function readClaim(values: Values, profile: Profile): Claim | undefined {
  switch (profile) {
    case 'body': {
      const signature = bareSignature(only(values, 'x-cloud-signature') ?? '');
      return signature && { profile, id: null, time: null, signatures: [signature] };
    }
    case 'timestamped':
      return timestampedClaim(only(values, 'x-cloud-event-id'), only(values, 'x-cloud-signature'));
    case 'standard':
      return standardClaim(
        only(values, 'webhook-id'),
        only(values, 'webhook-timestamp'),
        only(values, 'webhook-signature'),
      );
    default:
      return profile satisfies never;
  }
}

/** A header that came exactly once: of two, nobody knows which the sender meant. */
function only(values: Values, name: string): string | undefined {
  const [value, ...others] = values(name);
  return others.length === 0 ? value : undefined;
}

/** `<hex>`, `sha256=<hex>`, or base64. */
function bareSignature(value: string): Buffer | undefined {
  return fromHex(value.startsWith('sha256=') ? value.slice(7) : value) ?? fromBase64(value);
}

/** `t=<unix seconds>,v1=<hex>[,v1=…]`; words of other names are left for later versions. */
function timestampedClaim(id: string | undefined, header: string | undefined): Claim | undefined {
  const words = (header ?? '').split(',').map((word) => word.trim());
  const times = words.filter((word) => word.startsWith('t=')).map((word) => word.slice(2));
  const signatures = words.filter((word) => word.startsWith('v1=')).map((word) => fromHex(word.slice(3)));
  return claimOf('timestamped', id, times.length === 1 ? times[0] : undefined, signatures);
}

/** `v1,<base64> v1,<base64> …`; signatures of other kinds are left aside. */
function standardClaim(id: string | undefined, time: string | undefined, header: string | undefined) {
  const words = (header ?? '').split(' ').filter((word) => word.startsWith('v1,'));
  return claimOf(
    'standard',
    id,
    time,
    words.map((word) => fromBase64(word.slice(3))),
  );
}

function claimOf(
  profile: Profile,
  id: string | undefined,
  time: string | undefined,
  read: (Buffer | undefined)[],
): Claim | undefined {
  const signatures = read.filter((signature) => signature !== undefined);
  if (id === undefined || !/^[\x21-\x7e]{1,255}$/.test(id)) return undefined;
  if (time === undefined || !/^(0|[1-9]\d{0,11})$/.test(time)) return undefined;
  if (signatures.length === 0 || read.length > MOST_SIGNATURES) return undefined;
  return { profile, id, time, signatures };
}

function isSigned({ profile, id, time, signatures }: Claim, body: Buffer, secrets: readonly Secret[]): boolean {
  let fits = false;
  for (const secret of secrets) {
    const hmac = createHmac('sha256', profile === 'standard' ? secret.standard : secret.plain);
    if (id !== null) hmac.update(`${id}.${time}.`);
    const digest = hmac.update(body).digest();
    for (const signature of signatures) fits = timingSafeEqual(digest, signature) || fits;
  }
  return fits;
}

function fromHex(text: string): Buffer | undefined {
  return /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, 'hex') : undefined;
}

/** Padded, and in its one spelling: the last digit of another one has bits that no byte holds. */
function fromBase64(text: string): Buffer | undefined {
  if (text.length !== 44) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === DIGEST_BYTES && bytes.toString('base64') === text ? bytes : undefined;
}

const MOST_SECRETS = 16;
const PREFIX = 'whsec_';

/**
 * Reads the secrets' file: one a line, blank lines between them. A secret of Standard Webhooks is its base64 for that profile
 * alone, and the text as it stands for the others.
 * @returns the first 16
 */
export function parseSecrets(text: string): Secret[] {
  return text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .slice(0, MOST_SECRETS)
    .map((line) => {
      const plain = Buffer.from(line);
      const decoded = line.startsWith(PREFIX) ? Buffer.from(line.slice(PREFIX.length), 'base64') : plain;
      return { plain, standard: decoded.length > 0 ? decoded : plain };
    });
}
