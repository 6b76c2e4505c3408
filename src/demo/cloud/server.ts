/**
 * The reference cloud: an independent cloud built from the wire contract, for the demo and as the truth that tests compare
 * with. It shares nothing with the daemon but the wire types. Listens on loopback alone. A kill at any moment leaves a journal
 * that the next start continues.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { WireCapabilities } from '../../cloud/wire.js';
import { wordsOf } from '../../errors.js';
import { monotonicMs } from '../../time.js';
import type { Answer, Cloud } from './exchange.js';
import { Exchange, json } from './exchange.js';
import { Faults } from './faults.js';
import type { EditLine, JournalLine } from './journal.js';
import { Journal } from './journal.js';
import { Ledger } from './ledger.js';
import type { EntityRecord } from './records.js';
import type { References } from './references.js';
import { Refusal } from './refusal.js';
import { route } from './routes.js';
import { send } from './send.js';
import { CloudState } from './state.js';

export const BASE = '/api/v1';

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
  /** Of the faults that hit by chance. */
  seed?: number;
};

/** What head office changes; `data` is the row as JSON text, null deletes. */
export type Edit = {
  outlet_id?: string;
  entity_type: string;
  entity_id: string;
  data: string | null;
  updated_at?: string;
};

export type ReferenceCloud = {
  /** The base that outlets call, ending in /api/v1. */
  readonly url: string;
  readonly port: number;
  readonly ledger: Ledger;
  readonly faults: Faults;
  /** Every entity and tombstone; with an outlet, those that it can see. */
  entities(outletId?: string): EntityRecord[];
  /** An edit by head office: raises the entity's version, makes it where it is missing. */
  edit(edit: Edit): EntityRecord;
  /** Refuses connections and cuts those that are open, until `up`. */
  down(): Promise<void>;
  up(): Promise<void>;
  stop(): Promise<void>;
};

/** @throws SyncError where the journal is damaged; the listener's own error where the port is taken. */
export async function startReferenceCloud(options: CloudOptions): Promise<ReferenceCloud> {
  const cloud = open(options);
  let server = createServer();
  let port = options.port ?? 0;
  let listening = false;

  const up = async () => {
    if (listening) return;
    server = createServer((request, response) => void handle(cloud, request, response));
    // Longer than a client keeps an idle connection, so that the client is the one to close it.
    server.keepAliveTimeout = 120_000;
    server.requestTimeout = 0;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    port = (server.address() as AddressInfo).port;
    listening = true;
  };
  const down = async () => {
    if (!listening) return;
    listening = false;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  };

  await up();
  return {
    url: `http://127.0.0.1:${port}${BASE}`,
    port,
    ledger: cloud.ledger,
    faults: cloud.faults,
    entities: (outletId) => cloud.state.entities(outletId),
    edit: (edit) => applyEdit(cloud, edit),
    down,
    up,
    stop: async () => {
      await down();
      cloud.journal.close();
    },
  };
}

function open(options: CloudOptions): Cloud {
  const state = new CloudState(options.shared ?? [], options.references ?? {});
  const ledger = new Ledger();
  let epoch: string | undefined;
  const journal = Journal.open(options.journal, (line) => {
    epoch ??= line.kind === 'start' ? line.cloud_epoch : undefined;
    replay(line, state, ledger);
  });
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
      long_poll: false,
      digest: false,
      cloud_epoch: epoch,
      ...options.capabilities,
    },
    state,
    ledger,
    journal,
    faults: new Faults(options.seed ?? 1),
    inFlight: new Map(),
  };
}

function replay(line: JournalLine, state: CloudState, ledger: Ledger): void {
  switch (line.kind) {
    case 'start':
      return;
    case 'push':
      state.push(line);
      ledger.push(line);
      return;
    case 'ack':
      ledger.acknowledge(line.request, new Set(line.without));
      return;
    case 'edit':
      state.edit(line);
      return;
    default:
      line satisfies never;
  }
}

function applyEdit({ state, journal }: Cloud, edit: Edit): EntityRecord {
  const { entity_type, entity_id, data } = edit;
  const outlet_id = state.isShared(entity_type) ? null : (edit.outlet_id ?? null);
  const key = state.keyOf(outlet_id ?? '', entity_type, entity_id);
  const cloud_version = (state.entity(key)?.cloud_version ?? 0) + 1;
  const updated_at = edit.updated_at ?? new Date().toISOString();
  const line: EditLine = { kind: 'edit', outlet_id, entity_type, entity_id, cloud_version, data, updated_at };
  journal.append(line);
  state.edit(line);
  return state
    .entities()
    .find((one) => state.keyOf(one.outlet_id ?? '', one.entity_type, one.entity_id) === key) as EntityRecord;
}

async function handle(cloud: Cloud, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const startedMs = monotonicMs();
  const path = (request.url ?? '/').split('?')[0] ?? '/';
  const { headers, method = 'GET' } = request;
  const below = path.startsWith(`${BASE}/`) ? path.slice(BASE.length) : `/..${path}`;
  const outletId = headers['x-outlet-id'];
  const batchId = headers['idempotency-key'];
  const record = cloud.ledger.open({
    at: new Date().toISOString(),
    method,
    path: below,
    outlet_id: typeof outletId === 'string' ? outletId : null,
    user_agent: headers['user-agent'] ?? null,
    batch_id: typeof batchId === 'string' ? batchId : null,
    content_encoding: headers['content-encoding'] ?? 'identity',
    changes: 0,
    wire_bytes: 0,
    raw_bytes: 0,
    status: null,
    answer_bytes: 0,
    faults: [],
    delivered: false,
    duration_ms: 0,
  });
  const exchange = new Exchange(cloud, request, response, { method, path: below, outlet_id: record.outlet_id }, record);
  exchange.closed.addEventListener('abort', () => {
    record.duration_ms = monotonicMs() - startedMs;
  });
  try {
    const answer = await answerTo(exchange);
    record.faults = exchange.kinds;
    await send(exchange, answer);
  } catch (error) {
    record.faults = exchange.kinds;
    // Where the connection went while the body was read, or the cloud stopped, nobody is left to answer.
    if (exchange.closed.aborted || response.headersSent) request.socket.destroy();
    else await send(exchange, json(500, { error: { code: 'broken', message: wordsOf(error) } }));
  }
}

async function answerTo(exchange: Exchange): Promise<Answer> {
  try {
    return await route(exchange);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const answer = json(error.status, error.body());
    return { ...answer, headers: { ...answer.headers, ...error.headers } };
  }
}
