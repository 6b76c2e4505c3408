/**
 * `GET /metrics`. However many scrape, the database is asked by one at a time, and rests fifty times as long as it took, at least
 * five seconds: a flood of scrapes costs it two per cent at most. While it is away the scrape says so.
 */

import type { Figures } from '../../ops/figures/gathered.js';
import { CONTENT_TYPE } from '../../ops/figures/metrics.js';
import { monotonicMs, within } from '../../time.js';
import type { AdminDeps, Route } from '../route.js';
import { readQuery } from './parameters.js';

const FRESH_MS = 5_000;
const REST = 50;
/** Prometheus gives up after ten. */
const PATIENCE_MS = 8_000;

export function metricsRoutes({ look, settings, measured }: AdminDeps): Route[] {
  let scrape: Promise<string> | undefined;
  let staleAtMs = 0;
  const ask = async (): Promise<Figures | undefined> => {
    const begunMs = monotonicMs();
    try {
      return await within(
        PATIENCE_MS,
        look.use((db) => measured.counted.gather(db, settings)),
        () => new Error('late'),
      );
    } catch {
      return undefined;
    } finally {
      staleAtMs = monotonicMs() + Math.max(FRESH_MS, REST * (monotonicMs() - begunMs));
    }
  };
  const text = (): Promise<string> => {
    if (scrape && monotonicMs() < staleAtMs) return scrape;
    // Until it is known how long it took, everybody gets this one.
    staleAtMs = Number.POSITIVE_INFINITY;
    scrape = ask().then((figures) => measured.metrics.render(figures, measured.own()));
    return scrape;
  };
  return [
    {
      method: 'GET',
      path: '/metrics',
      handle: async ({ request }) => {
        readQuery(request.query, []);
        return { status: 200, headers: { 'content-type': CONTENT_TYPE }, body: await text() };
      },
    },
  ];
}
