/** Webhooks as a cloud would sign them, in the three profiles, and as requests on the wire. Written from the contract, not from the listener. */
import { createHmac } from 'node:crypto';

export const SECRET = 'a-planted-webhook-secret';

export type Signing = { profile: 'body' | 'timestamped' | 'standard'; secret?: string; id?: string; seconds?: number };
export type Header = [name: string, value: string];

let events = 0;

/** One change of one product, as an event of its own. */
export function eventText(more: Record<string, unknown> = {}): string {
  events += 1;
  return JSON.stringify({
    event_id: `event-${events}`,
    sent_at: new Date().toISOString(),
    changes: [changeOf(events)],
    ...more,
  });
}

export function changeOf(version: number): Record<string, unknown> {
  return {
    entity_type: 'product',
    entity_id: '7',
    operation: 'update',
    cloud_version: version,
    updated_at: '2026-11-22T02:00:00Z',
    data: { id: 7, name: 'Kopi Susu', price: 18000 },
  };
}

export function nowSeconds(): number {
  return Math.floor(Date.now() / 1_000);
}

/** The headers that sign this body. */
export function signatureHeaders(body: string | Buffer, signing: Signing): Header[] {
  const { profile, secret = SECRET, seconds = nowSeconds() } = signing;
  events += 1;
  const id = signing.id ?? `msg_${events}`;
  const mac = (key: string | Buffer, prefix: string) => createHmac('sha256', key).update(prefix).update(body);
  switch (profile) {
    case 'body':
      return [['X-Cloud-Signature', mac(secret, '').digest('hex')]];
    case 'timestamped':
      return [
        ['X-Cloud-Event-Id', id],
        ['X-Cloud-Signature', `t=${seconds},v1=${mac(secret, `${id}.${seconds}.`).digest('hex')}`],
      ];
    case 'standard': {
      const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : secret;
      return [
        ['webhook-id', id],
        ['webhook-timestamp', String(seconds)],
        ['webhook-signature', `v1,${mac(key, `${id}.${seconds}.`).digest('base64')}`],
      ];
    }
    default:
      return profile satisfies never;
  }
}

export type Wire = {
  method?: string;
  target?: string;
  version?: string;
  body?: string | Buffer;
  /** False: unsigned. */
  signing?: Signing | false;
  /** Beside those of the signature; a name given here replaces the usual one. */
  headers?: Header[];
  /** Headers that are left out, by lower-case name. */
  without?: string[];
};

/** A whole request that asks for the connection to be closed. */
export function onWire(wire: Wire = {}): Buffer {
  const { method = 'POST', target = '/api/v1/webhooks/cloud/update', version = 'HTTP/1.1', headers = [] } = wire;
  const body = Buffer.from(wire.body ?? eventText());
  const given = new Set(headers.map(([name]) => name.toLowerCase()));
  const usual: Header[] = [
    ['Host', 'till-7.local'],
    ['Content-Type', 'application/json'],
    ['Content-Length', String(body.length)],
    ['Connection', 'close'],
    ...(wire.signing === false ? [] : signatureHeaders(body, wire.signing ?? { profile: 'body' })),
  ];
  const kept = usual.filter(([name]) => !given.has(name.toLowerCase()) && !wire.without?.includes(name.toLowerCase()));
  const lines = [...kept, ...headers].map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return Buffer.concat([Buffer.from(`${method} ${target} ${version}\r\n${lines}\r\n`, 'latin1'), body]);
}
