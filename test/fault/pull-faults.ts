/**
 * What can be wrong with a pull, as rows: the fault that is set on it. Each is played on a few edits of head office's while the
 * till sells; whatever came, every edit is at the shop afterwards, once and in order.
 */
import type { FaultRule } from '../../src/demo/cloud/faults.js';

/** `unhurt`: the page is odd but true, so the edits come through while the fault lasts. */
export type PullFault = { name: string; rule: FaultRule; unhurt?: true };

export const PULL_FAULTS: PullFault[] = [
  { name: 'the connection is reset', rule: { kind: 'reset' } },
  { name: 'the long poll hangs for ever', rule: { kind: 'silence' } },
  { name: 'the answer is lost when it was made', rule: { kind: 'lost-ack' } },
  { name: 'a captive portal answers 200 with HTML', rule: { kind: 'captive-portal' } },
  { name: 'a redirect leads elsewhere', rule: { kind: 'redirect' } },
  { name: 'the page is other JSON', rule: { kind: 'body', body: '{"ok":true}' } },
  { name: 'the page is no JSON', rule: { kind: 'body', body: '{"changes":[' } },
  {
    name: 'the changes are no list',
    rule: { kind: 'body', body: '{"changes":{},"next_cursor":"x","has_more":false}' },
  },
  { name: 'the page is cut off', rule: { kind: 'truncated' } },
  { name: 'the page is half a text in complete HTTP', rule: { kind: 'truncated', tidy: true } },
  { name: 'the page trickles beyond the deadline', rule: { kind: 'slow-body', bytesPerSecond: 20 } },
  { name: 'HTTP 500', rule: { kind: 'status', status: 500 } },
  { name: 'HTTP 410 at every try', rule: { kind: 'status', status: 410 } },
  { name: 'HTTP 429 with Retry-After', rule: { kind: 'status', status: 429, retryAfter: { seconds: 1 }, times: 2 } },
  { name: 'HTTP 503 with Retry-After', rule: { kind: 'status', status: 503, retryAfter: { seconds: 1 }, times: 2 } },
  { name: 'HTTP 404, as from a cloud without pull', rule: { kind: 'status', status: 404, times: 1 } },
  { name: 'the cursor never moves', rule: { kind: 'page', how: 'still-cursor' }, unhurt: true },
  { name: 'there is always more', rule: { kind: 'page', how: 'more-for-ever' }, unhurt: true },
  { name: 'every change comes twice', rule: { kind: 'page', how: 'doubled' }, unhurt: true },
  { name: 'the changes come in reverse', rule: { kind: 'page', how: 'reversed' }, unhurt: true },
  { name: 'a page of 10 MB', rule: { kind: 'page', how: 'huge', times: 2 } },
];
