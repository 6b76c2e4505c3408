/**
 * Signs a webhook in the three profiles of the contract. Pure but for the hash; its own code on purpose: the outlet's check is
 * tried against something that was written apart from it.
 */
import { createHmac } from 'node:crypto';

/** What a webhook is signed as; the rest of a subscription does not matter here. */
export type Signing = {
  profile: 'body' | 'timestamped' | 'standard';
  secret: string;
  /** How profile `body` writes its signature; missing: `sha256=<hex>`. */
  form?: 'sha256' | 'hex' | 'base64';
};

/** The headers to send with exactly these bytes. */
export function signatureHeaders(signing: Signing, eventId: string, body: Buffer, at: Date): Record<string, string> {
  const seconds = String(Math.floor(at.getTime() / 1000));
  switch (signing.profile) {
    case 'body': {
      const digest = createHmac('sha256', signing.secret).update(body);
      const form = signing.form ?? 'sha256';
      const text = digest.digest(form === 'base64' ? 'base64' : 'hex');
      return { 'x-cloud-signature': form === 'sha256' ? `sha256=${text}` : text };
    }
    case 'timestamped': {
      const digest = createHmac('sha256', signing.secret).update(`${eventId}.${seconds}.`).update(body).digest('hex');
      return { 'x-cloud-signature': `t=${seconds},v1=${digest}`, 'x-cloud-event-id': eventId };
    }
    case 'standard': {
      const digest = createHmac('sha256', standardKey(signing.secret)).update(`${eventId}.${seconds}.`).update(body);
      return {
        'webhook-id': eventId,
        'webhook-timestamp': seconds,
        'webhook-signature': `v1,${digest.digest('base64')}`,
      };
    }
    default:
      return signing.profile satisfies never;
  }
}

function standardKey(secret: string): Buffer {
  return secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret);
}
