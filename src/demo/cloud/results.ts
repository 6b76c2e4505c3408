/**
 * The answer to a push that was applied: one result for every change, its row text spliced in untouched, and the faults that
 * spoil results after the commit.
 */
import { randomUUID } from 'node:crypto';
import type { PushResult } from '../../cloud/wire.js';
import type { Decision } from './decide.js';
import type { Answer, Exchange } from './exchange.js';
import { json } from './exchange.js';
import { changeMatches } from './faults.js';

/** A result whose row is still text. */
type Result = PushResult;

export function answerFor(exchange: Exchange, decisions: readonly Decision[]): Answer {
  const { cloud, record } = exchange;
  const without = new Set<string>();
  const texts: string[] = [];
  for (const decision of decisions) {
    const spoiled = spoil(exchange, decision, resultOf(exchange, decision));
    if (!spoiled.some((result) => result.change_id === decision.change.change_id))
      without.add(decision.change.change_id);
    for (const result of spoiled) texts.push(textOf(result));
  }
  const epoch = JSON.stringify(exchange.cloudEpoch);
  const body = `{"results":[${texts.join(',')}],"cloud_epoch":${epoch},"server_time":"${exchange.now().toISOString()}"}`;
  return {
    ...json(200, body),
    sent: () => {
      cloud.journal.append({ kind: 'ack', request: record.request, without: [...without] });
      cloud.ledger.acknowledge(record.request, without);
    },
  };
}

function resultOf(exchange: Exchange, decision: Decision): Result {
  const { change_id } = decision.change;
  switch (decision.status) {
    case 'accepted':
    case 'duplicate': {
      const { status, cloud_version } = decision;
      const cloud_id = exchange.cloud.state.entity(decision.key)?.cloud_id ?? null;
      return { change_id, status, cloud_version, cloud_id };
    }
    case 'conflict': {
      const { current } = decision;
      if (current === null) {
        return { change_id, status: 'conflict', current: { cloud_version: 0, deleted: true, data: null } };
      }
      const { cloud_version, updated_at, deleted, data } = current;
      return { change_id, status: 'conflict', current: { cloud_version, updated_at, deleted, data } };
    }
    case 'held':
      return { change_id, status: 'held', waiting_for: decision.waiting_for };
    case 'rejected':
      return { change_id, status: 'rejected', error: decision.error };
    default:
      return decision satisfies never;
  }
}

function textOf(result: Result): string {
  if (result.status !== 'conflict') return JSON.stringify(result);
  const { data, ...rest } = result.current;
  const current = `${JSON.stringify(rest).slice(0, -1)},"data":${data ?? 'null'}}`;
  return `{"change_id":"${result.change_id}","status":"conflict","current":${current}}`;
}

function spoil(exchange: Exchange, decision: Decision, result: Result): Result[] {
  let results = [result];
  for (const fault of exchange.faults('results')) {
    if (!changeMatches(fault.match ?? {}, decision.change)) continue;
    switch (fault.how) {
      case 'missing':
        results = [];
        break;
      case 'doubled':
        results = [...results, ...results];
        break;
      case 'unknown':
        results = results.map((one) => ({ ...one, change_id: randomUUID() }));
        break;
      case 'extra':
        results = [...results, { ...result, change_id: randomUUID() }];
        break;
      case 'lower-version':
        results = results.map((one) => ('cloud_version' in one ? { ...one, cloud_version: fault.version ?? 1 } : one));
        break;
      default:
        fault.how satisfies never;
    }
  }
  return results;
}
