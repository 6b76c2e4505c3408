/**
 * `GET /api/v1/sync/events`: what changes, as server-sent events, for a page that reads them with `fetch`, so that the token
 * stays in a header. A comment every few seconds keeps proxies from ending a quiet stream, and lets the page notice a dead one.
 * A stream ends by itself after a while: whoever reads comes again, and shows the token again.
 */

import { monotonicMs } from '../../time.js';
import type { HttpAnswer } from '../exchange.js';
import { problem } from '../problem.js';
import type { AdminCall, AdminDeps, Route } from '../route.js';
import { type LiveEvent, LiveFeed } from './live-feed.js';
import { readQuery } from './parameters.js';

const HEARTBEAT_MS = 10_000;
const LONGEST_MS = 10 * 60_000;

export function liveRoutes({ look, settings }: AdminDeps): Route[] {
  const feed = new LiveFeed(look, settings);
  return [{ method: 'GET', path: '/api/v1/sync/events', handle: async (call) => follow(feed, call) }];
}

function follow(feed: LiveFeed, { request }: AdminCall): HttpAnswer {
  readQuery(request.query, []);
  if (feed.full) {
    return problem('too-many-viewers', 'all places are taken', {
      hint: 'Ask GET /api/v1/sync/status now and then instead.',
      headers: { 'retry-after': '15' },
    });
  }
  return {
    status: 200,
    headers: { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' },
    body: async (write, signal) => {
      const endsAt = monotonicMs() + LONGEST_MS;
      const tell = async (event: LiveEvent | null) => monotonicMs() < endsAt && write(textOf(event));
      await feed.follow(tell, HEARTBEAT_MS, signal);
    },
  };
}

function textOf(event: LiveEvent | null): string {
  return event === null ? ':\n\n' : `event: ${event.event}\ndata: ${JSON.stringify(event.data)}\n\n`;
}
