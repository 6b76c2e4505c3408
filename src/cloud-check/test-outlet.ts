/**
 * The outlet that the checks play: a fresh install with entities of its own that no shop has. Every request of a check leaves
 * here, as it was given and once, and stays in `exchanges` with its answer. Owns the outlet's identity and its counters; a crash
 * leaves nothing here, and at the cloud rows of a test outlet.
 */
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, gzip } from 'node:zlib';
import { sendOnce } from '../cloud/client.js';
import { parseCapabilities } from '../cloud/reply.js';
import type { WireCapabilities, WireChange } from '../cloud/wire.js';
import type { Listen } from '../config/settings.js';
import { SyncError } from '../errors.js';
import { sleep, steadyMs } from '../time.js';
import { VERSION } from '../version.js';
import type { Exchange, Sent } from './exchange.js';
import { Patience } from './patience.js';
import type { RowTemplate } from './row.js';

export type TestOutletOptions = {
  /** The base, without a slash at its end. */
  url: string;
  outletId: string;
  apiKey: string;
  ca: string | undefined;
  type: string;
  row: RowTemplate;
  /** The outlet also receives the type. */
  pulled: boolean;
  /** Undefined: no webhook is waited for. */
  webhook: { listen: Listen; secretsFile: string; waitMs: number } | undefined;
  /** A second outlet of the same cloud; undefined: none is played. */
  other: { outletId: string; apiKey: string } | undefined;
  /** Head office shares the type among its outlets. */
  shared: boolean;
  /** Something for the person at the screen to do. */
  tell: (text: string) => void;
};

/** A change with its row as text. The operation may be one that does not exist. */
export type Change = Omit<WireChange, 'data' | 'operation'> & { operation: string; data: string | null };

export type PushExchange = Exchange & { changes: readonly Change[] };

/** `none`: why no second outlet can be played. */
export type OtherOutlet = { outlet: TestOutlet } | { none: string };

export type PushGiven = {
  batchId?: string;
  installId?: string;
  epoch?: number;
  apiKey?: string;
  encoding?: 'gzip' | 'br';
  /** Fields beside those of the contract. */
  more?: Record<string, unknown>;
};

const TIMEOUT_MS = 30_000;
const KEPT = 65_536;
/** More than the requests that are sent at once. */
const MOST_UNANSWERED = 8;
/** A second outlet's seqs begin here, so that one check alone is about those that two outlets have in common. */
const APART = 1_000_000;
const packers = { gzip: promisify(gzip), br: promisify(brotliCompress) };

export class TestOutlet {
  readonly options: TestOutletOptions;
  /** All but those with a long answer: a walk through a whole feed would fill the memory. */
  readonly exchanges: Exchange[] = [];
  capabilities: WireCapabilities = parseCapabilities(undefined);
  installId: string = randomUUID();
  epoch = 1;
  /** Where the pull stands; null: at its beginning. */
  cursor: string | null = null;
  other: OtherOutlet;
  readonly #remark: string | undefined;
  readonly #patience = new Patience();
  #last = 0;
  #unanswered = 0;

  /** @param remark stands with everything that it sends; for all but the first outlet */
  constructor(options: TestOutletOptions, remark?: string) {
    this.options = options;
    this.#remark = remark;
    if (remark !== undefined) this.#last = APART;
    const { other } = options;
    this.other = other
      ? { outlet: new TestOutlet({ ...options, ...other, other: undefined }, `as outlet ${other.outletId}`) }
      : { none: 'no --other-outlet' };
  }

  freshId(): string {
    return randomUUID();
  }

  /** A change in a transaction of its own. Without a row given it is that of the template. */
  change(operation: string, id: string, base: number | null, given: Partial<Change> = {}): Change {
    const place = String(++this.#last);
    return {
      change_id: randomUUID(),
      seq: place,
      tx: place,
      entity_type: this.options.type,
      entity_id: id,
      operation,
      version: operation === 'create' ? 1 : 2,
      base_cloud_version: base,
      changed_at: new Date().toISOString(),
      data: operation === 'delete' ? null : this.options.row.text(id),
      ...given,
    };
  }

  async push(changes: readonly Change[], given: PushGiven = {}): Promise<PushExchange> {
    const { batchId = randomUUID(), encoding, apiKey, more = {} } = given;
    const head = {
      batch_id: batchId,
      outlet_id: this.options.outletId,
      install_id: given.installId ?? this.installId,
      epoch: given.epoch ?? this.epoch,
      sent_at: new Date().toISOString(),
      ...more,
    };
    const texts = changes.map(({ data, ...rest }) => `${JSON.stringify(rest).slice(0, -1)},"data":${data}}`);
    const body = `${JSON.stringify(head).slice(0, -1)},"changes":[${texts.join(',')}]}`;
    const sent: Sent = { method: 'POST', path: '/sync/push', body, remark: this.#remarkOn({ encoding, apiKey }) };
    const headers = { 'idempotency-key': batchId, ...(encoding && { 'content-encoding': encoding }) };
    const exchange = await this.#send(sent, { headers, ...(encoding && { encoding }), apiKey });
    return { ...exchange, changes };
  }

  post(path: string, question: unknown, given: { apiKey?: string } = {}): Promise<Exchange> {
    const body = JSON.stringify(question);
    return this.#send({ method: 'POST', path, body, remark: this.#remarkOn(given) }, given);
  }

  /** @param path below the base, with its query */
  get(path: string, given: { apiKey?: string; timeoutMs?: number } = {}): Promise<Exchange> {
    return this.#send({ method: 'GET', path, body: null, remark: this.#remarkOn(given) }, given);
  }

  entity(id: string, given: { apiKey?: string } = {}): Promise<Exchange> {
    return this.get(this.#pathOf(id), given);
  }

  version(id: string): Promise<Exchange> {
    return this.get(`${this.#pathOf(id)}/version`);
  }

  #remarkOn({ encoding, apiKey }: { encoding?: string | undefined; apiKey?: string | undefined }): string | null {
    const remarks = [this.#remark, encoding, apiKey === undefined ? undefined : 'with an unknown X-API-Key'];
    return remarks.filter(Boolean).join(', ') || null;
  }

  #pathOf(id: string): string {
    return `/entities/${encodeURIComponent(this.options.type)}/${encodeURIComponent(id)}`;
  }

  async #send(
    sent: Sent,
    given: {
      headers?: Record<string, string>;
      encoding?: 'gzip' | 'br';
      apiKey?: string | undefined;
      timeoutMs?: number;
    },
  ): Promise<Exchange> {
    const { url, apiKey, outletId, ca } = this.options;
    const body = sent.body === null ? undefined : Buffer.from(sent.body);
    const request = {
      method: sent.method,
      headers: {
        'x-api-key': given.apiKey ?? apiKey,
        'x-outlet-id': outletId,
        'user-agent': `syncd/${VERSION}`,
        'accept-encoding': 'gzip, br',
        ...(body && { 'content-type': 'application/json' }),
        ...given.headers,
      },
      body: body && given.encoding ? await packers[given.encoding](body) : body,
      timeoutMs: given.timeoutMs ?? TIMEOUT_MS,
      ca,
    };
    for (let waits = 0; ; waits++) {
      const over = this.#patience.isOver(sent.path);
      if (over !== undefined) return { sent, reply: { kind: 'none', error: over, timedOut: true, durationMs: 0 } };
      const startedMs = steadyMs();
      const exchange = { sent, reply: await sendOnce(`${url}${sent.path}`, request) };
      this.#patience.heard(sent.path, exchange.reply, startedMs);
      this.#keep(exchange);
      const waitMs = this.#patience.waitMs(sent.path, exchange.reply, waits);
      if (waitMs === undefined) return exchange;
      this.options.tell(`The cloud asks to wait ${Math.round(waitMs / 1_000)} s (${sent.path}); so it goes on then.`);
      await sleep(waitMs);
    }
  }

  /** @throws SyncError `unavailable` where nobody is there any more: the other checks would say nothing but that, each after its time-out */
  #keep(exchange: Exchange): void {
    const { reply } = exchange;
    this.#unanswered = reply.kind === 'none' ? this.#unanswered + 1 : 0;
    if (reply.kind === 'none' || reply.body.length <= KEPT) this.exchanges.push(exchange);
    if (reply.kind === 'answer' || this.#unanswered < MOST_UNANSWERED) return;
    throw new SyncError('unavailable', `the cloud answers no more: ${exchange.sent.path}: ${reply.error}`, {
      hint: `${MOST_UNANSWERED} requests in a row had no answer. Is it running still?`,
    });
  }
}
