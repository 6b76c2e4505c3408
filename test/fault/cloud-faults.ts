/**
 * What can be wrong with the cloud, as rows: the fault that is set, where it strikes, and how the daemon has to take it. Each
 * row is played on one change while everything else is well.
 */
import type { FaultRule } from '../../src/demo/cloud/faults.js';

/** `everywhere`: health and capabilities are struck too, as by a captive portal. */
export type CloudFault = { name: string; rule: FaultRule; everywhere?: true };

/** Nobody, or somebody else, answers: the daemon is offline and comes back by itself. */
export const OUTAGES: CloudFault[] = [
  { name: 'the connection is reset', rule: { kind: 'reset' } },
  { name: 'nothing is ever answered', rule: { kind: 'silence' } },
  { name: 'a captive portal answers 200 with HTML', rule: { kind: 'captive-portal' }, everywhere: true },
  { name: 'a redirect leads elsewhere', rule: { kind: 'redirect' } },
  { name: 'the answer is other JSON', rule: { kind: 'body', body: '{"ok":true}', commit: true } },
  { name: 'the answer is no JSON', rule: { kind: 'body', body: '{"results":[', commit: true } },
  { name: 'the answer is cut off', rule: { kind: 'truncated' } },
  { name: 'the answer is half a text in complete HTTP', rule: { kind: 'truncated', tidy: true } },
  { name: 'the answer trickles beyond the deadline', rule: { kind: 'slow-body', bytesPerSecond: 20 } },
  { name: 'HTTP 500', rule: { kind: 'status', status: 500 } },
  { name: 'HTTP 502 after the push was applied', rule: { kind: 'status', status: 502, commit: true } },
  { name: 'HTTP 408', rule: { kind: 'status', status: 408 } },
  { name: 'HTTP 204', rule: { kind: 'status', status: 204 } },
  { name: 'HTTP 429 without Retry-After', rule: { kind: 'status', status: 429 } },
  { name: 'HTTP 503 without Retry-After', rule: { kind: 'status', status: 503 } },
];

/** The cloud names its own waiting time, in seconds. */
export const WAITS: (CloudFault & { seconds: number })[] = [429, 503].flatMap((status) =>
  (['seconds', 'date'] as const).map((as) => ({
    name: `HTTP ${status} with Retry-After as ${as}`,
    seconds: 2,
    rule: { kind: 'status', status, retryAfter: { seconds: 2, as }, times: 1 } as FaultRule,
  })),
);

/** Refusals of the outlet: a person has to act, and nothing is spent meanwhile. */
export const REFUSALS = [401, 403, 404, 405, 415, 426];

/** Answers whose results cannot be believed for the one change. */
export const SPOILT_RESULTS = ['missing', 'doubled', 'unknown', 'extra', 'lower-version'] as const;
