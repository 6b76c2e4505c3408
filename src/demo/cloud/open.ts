/**
 * The cloud's memory, made from its options and its journal. Before stands
 * a file, or nothing; after it everything that an exchange works on.
 */
import { randomUUID } from 'node:crypto';
import type { WireCapabilities } from '../../cloud/wire.js';
import type { RetryOptions } from './courier.js';
import { Courier } from './courier.js';
import type { Cloud } from './exchange.js';
import { Faults } from './faults.js';
import type { CourierLine, JournalLine } from './journal.js';
import { Journal } from './journal.js';
import { Ledger } from './ledger.js';
import type { References } from './references.js';
import { CloudState } from './state.js';

export type CloudOptions = {
  /** 0 or missing: any free one. */
  port?: number;
  apiKey: string;
  /** A file; without one the cloud forgets everything when it stops. */
  journal?: string;
  /** Entity types that all outlets share. */
  shared?: string[];
  references?: References;
  capabilities?: Partial<WireCapabilities>;
  /** The outlets that may call; missing: any. */
  outlets?: string[];
  /** How many of the latest changes a pull's cursor may be behind before it is 410; missing: any. */
  horizon?: number;
  webhook_retry?: Partial<RetryOptions>;
  /** Of the faults that hit by chance. */
  seed?: number;
};

/** @throws SyncError where the journal is damaged. */
export function openCloud(options: CloudOptions): Cloud {
  const state = new CloudState(options.shared ?? [], options.references ?? {}, options.horizon);
  const ledger = new Ledger();
  let epoch: string | undefined;
  let restored: string | undefined;
  const lines: CourierLine[] = [];
  const journal = Journal.open(options.journal, (line) => {
    epoch ??= line.kind === 'start' ? line.cloud_epoch : undefined;
    if (line.kind === 'restore') restored = line.cloud_epoch;
    const rest = replay(line, state, ledger);
    if (rest !== undefined) lines.push(rest);
  });
  const courier = new Courier(journal, state, options.webhook_retry);
  for (const line of lines) courier.recall(line);
  state.feed.listen((entry) => courier.tell(entry));
  if (epoch === undefined) {
    epoch = randomUUID();
    journal.append({ kind: 'start', cloud_epoch: epoch });
  }
  return {
    apiKey: options.apiKey,
    outlets: options.outlets === undefined ? null : new Set(options.outlets),
    capabilities: {
      protocol: 1,
      max_batch_changes: 1000,
      max_batch_bytes: 4 * 1024 * 1024,
      encodings: ['gzip', 'br'],
      long_poll: true,
      digest: true,
      cloud_epoch: epoch,
      ...options.capabilities,
      ...(restored === undefined ? {} : { cloud_epoch: restored }),
    },
    state,
    ledger,
    journal,
    courier,
    faults: new Faults(options.seed ?? 1),
    inFlight: new Map(),
    digests: new Map(),
    openPushes: 0,
  };
}

/** Returns the line where it is the courier's, who can be made only after the journal. */
function replay(line: JournalLine, state: CloudState, ledger: Ledger): CourierLine | undefined {
  switch (line.kind) {
    case 'start':
      return undefined;
    case 'push':
      state.push(line);
      ledger.push(line);
      return undefined;
    case 'ack':
      ledger.acknowledge(line.request, new Set(line.without));
      return undefined;
    case 'edit':
      state.edit(line);
      return undefined;
    case 'forget':
      state.forget(line);
      return undefined;
    case 'backup':
      state.backup(line.backup);
      return undefined;
    case 'restore':
      state.restore(line.backup);
      return undefined;
    case 'subscribe':
    case 'webhook':
    case 'webhook-answer':
      return line;
    default:
      return line satisfies never;
  }
}
