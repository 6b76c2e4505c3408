/** Ways to spoil a webhook, by name: makers for the table in test/integration/webhooks-hostile. */
import type { Piece } from './raw-http.js';
import { changeOf, eventText, type Header, onWire, SECRET, signatureHeaders, type Wire } from './signed-webhook.js';

type Make = () => Wire | Piece[];
/** `from`: the local address that it comes from. */
export type HostileCase = [name: string, expected: number | number[], make: Make, from?: string];

export const MIB = 1024 * 1024;
export const ROUTE = '/api/v1/webhooks/cloud';

export const hexOf = (body: string | Buffer, secret = SECRET) =>
  signatureHeaders(body, { profile: 'body', secret })[0]?.[1] as string;
export const base64Of = (body: string) => Buffer.from(hexOf(body), 'hex').toString('base64');
export const signedAs = (form: (body: string) => string) => () => {
  const body = eventText();
  return { body, headers: [['X-Cloud-Signature', form(body)]] as Header[] };
};
/** A body whose signature is right. */
export const says = (body: string | Buffer) => () => ({ body });
export const holds = (more: Record<string, unknown>) => () => ({ body: eventText(more) });
export const row = (data: string) => () => ({
  body: eventText({ changes: [{ ...changeOf(1), data: 'DATA' }] }).replace('"DATA"', data),
});
/** A signed event with these headers changed after signing. */
export const tampered = (change: (headers: Header[]) => Header[]) => () => {
  const body = eventText();
  return { body, signing: false as const, headers: change(signatureHeaders(body, { profile: 'body' })) };
};
export const twice = (name: string) => (headers: Header[]) =>
  headers.flatMap((one) => (one[0] === name ? [one, one] : [one]));
export const header = (name: string, value: string) => () => ({ headers: [[name, value]] as Header[] });
const headOf = (wire: Wire) => {
  const text = onWire(wire).toString('latin1');
  return text.slice(0, text.indexOf('\r\n\r\n') + 4);
};
/** `'Name: value'` each, in place of the usual headers of those names; `wire` for whatever else is unusual. */
export const lines =
  (given: string[], wire: Wire = {}) =>
  () => ({
    ...wire,
    headers: given.map((line): Header => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)]),
  });
/** Nothing but the head of such a request. */
export const onlyHead = (given: string[], wire: Wire = {}) => headOf(lines(given, wire)());
/** Several requests in one piece; all but the last leave the connection open. */
export const inOne = (...requests: Wire[]) =>
  Buffer.concat(
    requests.map((wire, at) => onWire(at < requests.length - 1 ? { without: ['connection'], ...wire } : wire)),
  );
export const KEPT = { without: ['connection'] };
export const target = (path: string) => () => ({ target: path });
export const method = (name: string) => () => ({ method: name, body: '', signing: false as const });
export const ago = (seconds: number) => new Date(Date.now() - seconds * 1_000).toISOString();
export const forwarded =
  (...values: string[]) =>
  () => ({ headers: values.map((value): Header => ['X-Forwarded-For', value]) });
const chunked = (body: string, size: number) =>
  `${Array.from({ length: Math.ceil(body.length / size) }, (_, at) => body.slice(at * size, (at + 1) * size))
    .map((piece) => `${Buffer.byteLength(piece).toString(16)}\r\n${piece}\r\n`)
    .join('')}0\r\n\r\n`;
export const inChunks =
  (body: string, size: number, coding = 'chunked') =>
  () => {
    const head = onWire({ body, without: ['content-length'], headers: [['Transfer-Encoding', coding]] }).toString(
      'latin1',
    );
    return [head.slice(0, head.indexOf('\r\n\r\n') + 4), chunked(body, size)];
  };

export function otherSpelling(base64: string): string {
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  return `${base64.slice(0, 42)}${digits[digits.indexOf(base64[42] as string) + 1]}=`;
}
