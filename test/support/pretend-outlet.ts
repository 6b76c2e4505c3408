/**
 * An outlet made of plain node:http, for tests of the cloud: mints changes, pushes them, hands back exactly what came. It shares
 * no code with the daemon, so a fault in both cannot hide.
 */
import { randomUUID } from 'node:crypto';
import { type IncomingHttpHeaders, request } from 'node:http';
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib';
import type { PushResult, WireChange } from '../../src/cloud/wire.js';

/** A change whose row is text, so that a test decides over every character of it. */
export type TestChange = Omit<WireChange, 'data'> & { data: string | null };

export type Reply = { status: number; headers: IncomingHttpHeaders; text: string };
export type PushReply = Reply & { resultOf(change: TestChange): PushResult | undefined };

export type Sent = {
  method?: string;
  headers?: Record<string, string | undefined>;
  body?: Buffer | string;
};

/** Sends one request and reads the whole answer; rejects with the network's own error. */
export function call(url: string, { method = 'GET', headers = {}, body }: Sent = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const given = Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined);
    const outgoing = request(url, { method, headers: Object.fromEntries(given), agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const bytes = Buffer.concat(chunks);
        const { 'content-encoding': encoding } = answer.headers;
        const plain = encoding === 'br' ? brotliDecompressSync(bytes) : encoding === 'gzip' ? gunzipSync(bytes) : bytes;
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text: plain.toString('utf8') });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

export class PretendOutlet {
  readonly url: string;
  readonly id: string;
  installId = randomUUID();
  epoch = 1;
  #seq = 0;
  #tx = 0;

  constructor(url: string, id = 'outlet-1') {
    this.url = url;
    this.id = id;
  }

  /** A change in a transaction of its own; anything of it may be given. */
  change(operation: WireChange['operation'], id: string, given: Partial<TestChange> = {}): TestChange {
    return {
      change_id: randomUUID(),
      seq: String(++this.#seq),
      tx: String(++this.#tx),
      entity_type: 'order',
      entity_id: id,
      operation,
      version: 1,
      base_cloud_version: null,
      changed_at: '2026-11-22T01:02:03.123456Z',
      data: operation === 'delete' ? null : '{"id":1}',
      ...given,
    };
  }

  create = (id: string, given?: Partial<TestChange>) => this.change('create', id, given);
  update = (id: string, given?: Partial<TestChange>) => this.change('update', id, given);
  remove = (id: string, given?: Partial<TestChange>) => this.change('delete', id, given);

  headers(batchId: string): Record<string, string> {
    return {
      'x-api-key': 'key',
      'x-outlet-id': this.id,
      'user-agent': 'syncd/0.1.0',
      'content-type': 'application/json',
      'idempotency-key': batchId,
    };
  }

  /** The body of a push, row text spliced in. */
  body(batchId: string, changes: TestChange[]): string {
    const texts = changes.map(({ data, ...rest }) => `${JSON.stringify(rest).slice(0, -1)},"data":${data}}`);
    const head = {
      batch_id: batchId,
      outlet_id: this.id,
      install_id: this.installId,
      epoch: this.epoch,
      sent_at: '2026-11-22T01:02:04Z',
    };
    return `${JSON.stringify(head).slice(0, -1)},"changes":[${texts.join(',')}]}`;
  }

  async push(
    changes: TestChange[],
    given: { batchId?: string; headers?: Sent['headers']; body?: Buffer | string; encoding?: 'gzip' | 'br' } = {},
  ): Promise<PushReply> {
    const batchId = given.batchId ?? randomUUID();
    const plain = given.body ?? this.body(batchId, changes);
    const { encoding } = given;
    const body = encoding === 'br' ? brotliCompressSync(plain) : encoding === 'gzip' ? gzipSync(plain) : plain;
    const headers = { ...this.headers(batchId), 'content-encoding': encoding, ...given.headers };
    const reply = await call(`${this.url}/sync/push`, { method: 'POST', headers, body });
    const results = () => (JSON.parse(reply.text) as { results: PushResult[] }).results;
    return { ...reply, resultOf: (change) => results().find((result) => result.change_id === change.change_id) };
  }

  /** Pushes one change and returns its result. */
  async pushOne(change: TestChange): Promise<PushResult | undefined> {
    return (await this.push([change])).resultOf(change);
  }

  get(path: string): Promise<Reply> {
    return call(`${this.url}${path}`, { headers: this.headers(randomUUID()) });
  }
}
