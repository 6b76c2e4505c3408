/** A settlement made from the parts that a test is about; the rest is empty. */
import type { LogEntry, Settlement } from '../../src/queue/settle.js';
import { uuid } from './changes.js';

export type GivenSettlement = Partial<Omit<Settlement, 'log'>> & { log?: Partial<LogEntry> };

const noStates = {
  ids: [],
  entity_types: [],
  entity_ids: [],
  versions: [],
  cloud_versions: [],
  cloud_ids: [],
  deleted: [],
};

export function makeSettlement({ log, ...given }: GivenSettlement): Settlement {
  return {
    leader_epoch: '1',
    accepted: { fresh: [], retried: [] },
    superseded: { ids: [], by: [] },
    states: noStates,
    first: noStates,
    others: { ids: [], statuses: [], retry_counts: [], hold_counts: [], delays_ms: [], errors: [] },
    put_off_with: { ids: [], delays_ms: [] },
    conflicts: { ids: [], indexes: [], cloud_versions: [], updated_ats: [], deleted: [], strategies: [] },
    raw: null,
    ...given,
    log: {
      batch_id: uuid(900),
      outcome: 'results',
      http_status: 200,
      accepted: 1,
      bytes: 10,
      wire_bytes: 5,
      duration_ms: 1.5,
      error: null,
      change_ids: [],
      outcomes: [],
      ...log,
    },
  };
}

/** One agreement for one order. */
export const stateOf = (
  entity_id: string,
  cloud_version: number,
  more: { deleted?: boolean; cloud_id?: string; id?: string | undefined } = {},
) => ({
  ids: [more.id ?? '0'],
  entity_types: ['order'],
  entity_ids: [entity_id],
  versions: [1],
  cloud_versions: [cloud_version],
  cloud_ids: [more.cloud_id ?? null],
  deleted: [more.deleted ?? false],
});
