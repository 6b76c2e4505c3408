/**
 * Fetches one entity as the cloud holds it now, and stores it in the inbox: what a hint asks for, or a person. The endpoint has
 * its own standing. A crash between fetching and storing leaves the hint, and the entity is fetched again.
 */
import { randomUUID } from 'node:crypto';
import { type CloudClient, isNameable } from '../cloud/client.js';
import { bearingOf, judgeReply, notTheCloud } from '../cloud/outcome.js';
import { afterReply, type Bearing, permission, type Standing } from '../cloud/standing.js';
import type { RetrySettings } from '../config/settings.js';
import type { Db } from '../db/connect.js';
import { answerAsked } from '../inbox/ask.js';
import { parseEntity } from '../inbox/envelope.js';
import { receive } from '../inbox/receive.js';
import type { OnStep } from '../step.js';

export type FetchDeps = {
  db: Db;
  client: Pick<CloudClient, 'entity' | 'aborted'>;
  memory: FetchMemory;
  retry: RetrySettings;
  nowMs: () => number;
  steadyMs: () => number;
  random: () => number;
  onStep?: OnStep | undefined;
};

/** Outlives a lost database connection. */
export type FetchMemory = {
  standing: Standing;
  /** False: paused, nothing is asked. */
  enabled: boolean;
};

export type Fetched =
  /** It waits in syncd.incoming now. */
  | { kind: 'stored' }
  /** The cloud has neither the entity nor a tombstone of it. */
  | { kind: 'missing'; reason: string }
  /** Another try would meet the same. */
  | { kind: 'unusable'; reason: string }
  /** The endpoint cannot be asked, or did not answer: try again after so many ms. */
  | { kind: 'later'; reason: string; delayMs: number };

const SHORTEST_MS = 100;
const PAUSED_MS = 2_500;

/** Whoever asked for the entity by hand is answered with it. */
export async function fetchEntity(deps: FetchDeps, entity_type: string, entity_id: string): Promise<Fetched> {
  const fetched = await fetchOnce(deps, entity_type, entity_id);
  if (fetched.kind === 'stored') deps.onStep?.('entity stored');
  if (fetched.kind === 'stored') await answerAsked(deps.db, entity_type, entity_id, 'fetched', null);
  else if (fetched.kind !== 'later') await answerAsked(deps.db, entity_type, entity_id, null, fetched.reason);
  return fetched;
}

async function fetchOnce(deps: FetchDeps, entity_type: string, entity_id: string): Promise<Fetched> {
  if (!isNameable(entity_type) || !isNameable(entity_id))
    return { kind: 'unusable', reason: 'its name cannot stand in a URL' };
  if (!deps.memory.enabled) return { kind: 'later', reason: 'syncing is paused', delayMs: PAUSED_MS };
  const allowed = permission(deps.memory.standing, deps.steadyMs());
  // One entity is as good a probe as any.
  if (allowed.may === 'nothing') return later(deps, 'the cloud was asked too lately');
  const reply = await deps.client.entity(entity_type, entity_id);
  if (reply.kind === 'none' && deps.client.aborted) return later(deps, 'given up before it was answered');
  if (reply.kind === 'answer' && reply.status === 404) {
    replied(deps, { kind: 'answered' });
    return { kind: 'missing', reason: 'the cloud does not have it' };
  }
  const outcome = judgeReply(reply, deps.nowMs());
  switch (outcome.kind) {
    case 'ok':
      break;
    case 'bad_request':
    case 'too_large':
      replied(deps, { kind: 'answered' });
      return { kind: 'unusable', reason: outcome.reason };
    case 'offline':
    case 'wait':
    case 'refused':
      replied(deps, bearingOf(outcome));
      return later(deps, outcome.reason);
    default:
      return outcome satisfies never;
  }
  const parsed = parseEntity(outcome.body);
  if (parsed.kind === 'malformed') {
    const portal = notTheCloud(parsed.reason);
    replied(deps, portal);
    return later(deps, portal.reason);
  }
  replied(deps, { kind: 'answered' });
  const { change } = parsed;
  if (change.fault !== undefined) return { kind: 'unusable', reason: change.fault };
  if (change.entity_type !== entity_type || change.entity_id !== entity_id)
    return {
      kind: 'unusable',
      reason: `the cloud answered with ${change.entity_type} ${change.entity_id}`.slice(0, 500),
    };
  await receive(deps.db, {
    event_id: randomUUID(),
    source: 'fetch',
    sent_at: null,
    changes: [change],
    bytes: Buffer.byteLength(outcome.body),
    durationMs: reply.durationMs,
    httpStatus: 200,
  });
  return { kind: 'stored' };
}

/** Takes note of what a reply says about the endpoint. */
function replied({ memory, retry, steadyMs, random }: FetchDeps, bearing: Bearing): void {
  memory.standing = afterReply(memory.standing, bearing, retry, steadyMs(), random());
}

function later({ memory, steadyMs }: FetchDeps, why: string): Fetched {
  const { standing } = memory;
  const reason = 'reason' in standing ? standing.reason : why;
  const waitMs = 'nextTryMs' in standing ? standing.nextTryMs - steadyMs() : 0;
  return { kind: 'later', reason, delayMs: Math.max(SHORTEST_MS, Math.ceil(waitMs)) };
}
