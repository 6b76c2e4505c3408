/**
 * The doctor's findings for the dashboard. An examination asks the cloud and opens connections, so there is one at a time, and
 * what it found serves everybody who asks soon after.
 */
import { examine } from '../../doctor/examine.js';
import type { Finding } from '../../doctor/finding.js';
import { monotonicMs } from '../../time.js';
import { type AdminDeps, json, type Route } from '../route.js';
import { readQuery } from './parameters.js';

/** As long as a finding may be old. */
const FRESH_MS = 30_000;

export function doctorRoutes({ settings }: AdminDeps): Route[] {
  let last: { examining: Promise<Finding[]>; endedMs: number } | undefined;
  const findings = () => {
    if (last && monotonicMs() - last.endedMs < FRESH_MS) return last.examining;
    const { apiKey } = settings.cloud;
    const secrets = apiKey === undefined ? [] : [apiKey];
    const begun = { examining: examine({ settings, file: undefined, warnings: [], secrets }), endedMs: Infinity };
    last = begun;
    const ended = () => {
      begun.endedMs = monotonicMs();
    };
    begun.examining.then(ended, ended);
    return begun.examining;
  };
  return [
    {
      method: 'GET',
      path: '/api/v1/sync/doctor',
      handle: async ({ request }) => {
        readQuery(request.query, []);
        return json(200, { findings: await findings() });
      },
    },
  ];
}
