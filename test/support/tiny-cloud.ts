/**
 * A cloud of the smallest kind, in memory, that keeps the wire contract but for the one rule that a test has it break: to see
 * whether syncd cloud-check notices, and blames the right rule.
 */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { type Exact, type ExactObject, isObject, readExactly, writeExactly } from '../../src/cloud-check/exact.js';
import { bucketOf } from '../../src/cloud-check/fingerprint.js';

export type BrokenRule =
  | 'any key will do'
  | 'change ids are forgotten'
  | 'a duplicate tells the current version'
  | 'two requests at once do not see each other'
  | 'there is no lock'
  | 'null builds on a tombstone'
  | 'current is left out'
  | 'a delete of a tombstone counts'
  | 'a tombstone is not found'
  | 'after is not looked at'
  | 'supersedes is not looked at'
  | 'supersedes opens the lock'
  | 'numbers are floats'
  | 'rows are patched'
  | 'unknown fields are refused'
  | 'gzip is not read'
  | 'a bad change takes the others down'
  | 'ids are not decoded'
  | 'an older epoch may push'
  | 'any install may push'
  | 'a seq may come under another name'
  | 'a fork does not tell the epoch'
  | 'a refused push is applied'
  | 'versions begin at 0'
  | 'a strange cursor is the end'
  | 'a wait is not waited'
  | 'pages are counted from the newest change'
  | 'the digest counts the deleted'
  | 'the digest keeps still about missing buckets'
  | 'days are those of UTC';

export type TinyCloud = { url: string; stop(): Promise<void> };

type Entity = { type: string; id: string; version: number; data: ExactObject | null; at: string };
type Answer = { status: number; body: Exact };
type Parts = { path: string; query: URLSearchParams; body: ExactObject };

const KNOWN = ['batch_id', 'outlet_id', 'install_id', 'epoch', 'sent_at', 'changes'];

class Tiny {
  readonly #rule: BrokenRule | undefined;
  readonly #entities = new Map<string, Entity>();
  readonly #applied = new Map<string, { key: string; version: number }>();
  readonly #feed: Entity[] = [];
  #outlet: { install_id: string; epoch: number; seqs: Map<string, string> } | undefined;

  constructor(rule: BrokenRule | undefined) {
    this.#rule = rule;
  }

  async answer(method: string, parts: Parts): Promise<Answer> {
    const { path, query, body } = parts;
    if (path === '/health') return { status: 200, body: {} };
    if (path === '/sync/capabilities') return { status: 200, body: this.#capabilities() };
    if (path === '/sync/push') return this.#push(body);
    if (path === '/sync/changes') return this.#changes(query);
    if (path === '/sync/digest') return this.#digest(body);
    if (path === '/sync/digest/entities') return { status: 200, body: { entities: this.#living(body) } };
    if (method === 'GET' && path.startsWith('/entities/')) return this.#entity(path);
    return { status: 404, body: {} };
  }

  #breaks(rule: BrokenRule): boolean {
    return this.#rule === rule;
  }

  #capabilities(): Exact {
    const limits = { max_batch_changes: exact(200), max_batch_bytes: exact(100_000) };
    return {
      ...limits,
      protocol: exact(1),
      encodings: ['gzip'],
      long_poll: this.#breaks('a wait is not waited'),
      digest: true,
    };
  }

  async #push(body: ExactObject): Promise<Answer> {
    const changes = body.changes as ExactObject[];
    const unknown = [...Object.keys(body)].find((name) => !KNOWN.includes(name));
    if (unknown && this.#breaks('unknown fields are refused')) return refusal(400, 'unknown_field');
    if (changes.length > 200) return refusal(413, 'too_large');
    const fork = this.#forkIn(body, changes);
    if (fork && !this.#breaks('a refused push is applied')) return fork;
    const bad = changes.some(({ operation }) => !['create', 'update', 'delete'].includes(operation as string));
    const all = bad && this.#breaks('a bad change takes the others down');
    const results: Exact[] = [];
    for (const change of changes) results.push(all ? rejected(change) : await this.#apply(change));
    return fork ?? { status: 200, body: { results } };
  }

  #forkIn(body: ExactObject, changes: ExactObject[]): Answer | undefined {
    const [epoch, install_id] = [Number(text(body.epoch)), body.install_id as string];
    if (this.#outlet === undefined || epoch > this.#outlet.epoch) {
      this.#outlet = { install_id, epoch, seqs: new Map() };
    }
    const { seqs, ...known } = this.#outlet;
    const older = epoch < known.epoch && !this.#breaks('an older epoch may push');
    const other = epoch === known.epoch && install_id !== known.install_id && !this.#breaks('any install may push');
    const copied = changes.some(({ seq, change_id }) => (seqs.get(seq as string) ?? change_id) !== change_id);
    if (older || other || (copied && epoch === known.epoch && !this.#breaks('a seq may come under another name')))
      return refusal(409, 'fork', this.#breaks('a fork does not tell the epoch') ? {} : { epoch: exact(known.epoch) });
    for (const { seq, change_id } of changes) seqs.set(seq as string, change_id as string);
    return undefined;
  }

  async #apply(change: ExactObject): Promise<Exact> {
    const { operation, entity_type: type, entity_id: id } = change as Record<string, string>;
    const change_id = change.change_id as string;
    const key = JSON.stringify([type, id]);
    if (this.#applied.has(change_id) && !this.#breaks('change ids are forgotten')) return this.#duplicate(change_id);
    if (!['create', 'update', 'delete'].includes(operation as string)) return rejected(change);
    const seen = this.#entities.get(key);
    const racing = this.#breaks('two requests at once do not see each other');
    if (racing) await new Promise((resolve) => setTimeout(resolve, 5));
    const held = this.#entities.get(key);
    const after = change.after as string | undefined;
    if (after && !this.#applied.has(after) && !this.#breaks('after is not looked at'))
      return { change_id, status: 'held', waiting_for: null };
    const again = operation === 'delete' && held?.data === null && !this.#breaks('a delete of a tombstone counts');
    const free = operation === 'delete' && (held === undefined || held.data === null);
    if (!free && !this.#fits(change, key, racing ? seen : held)) return this.#conflict(change_id, held);
    const first = this.#breaks('versions begin at 0') ? 0 : 1;
    const version = again ? held.version : held === undefined ? first : held.version + 1;
    this.#applied.set(change_id, { key, version });
    if (!again) {
      const data = operation === 'delete' ? null : this.#rowFrom(change.data as ExactObject, held);
      const entity = { type: type as string, id: id as string, version, data, at: change.changed_at as string };
      this.#entities.set(key, entity);
      this.#feed.push(entity);
    }
    return { change_id, status: 'accepted', cloud_version: exact(version) };
  }

  #duplicate(change_id: string): Exact {
    const { key, version } = this.#applied.get(change_id) as { key: string; version: number };
    const current = this.#entities.get(key)?.version ?? version;
    const told = this.#breaks('a duplicate tells the current version') ? current : version;
    return { change_id, status: 'duplicate', cloud_version: exact(told) };
  }

  #fits(change: ExactObject, key: string, held: Entity | undefined): boolean {
    if (this.#breaks('there is no lock')) return true;
    const made = (id: Exact | undefined) => {
      const applied = this.#applied.get(id as string);
      return applied?.key === key ? applied.version : undefined;
    };
    const version = held?.version ?? null;
    const base = change.after ? (made(change.after) ?? null) : numberOf(change.base_cloud_version);
    if (base === version) return true;
    if (base === null && held?.data === null && this.#breaks('null builds on a tombstone')) return true;
    const superseded = ((change.supersedes ?? []) as Exact[]).map(made);
    if (this.#breaks('supersedes is not looked at')) return false;
    return superseded.some(
      (one) => one !== undefined && (one === version || this.#breaks('supersedes opens the lock')),
    );
  }

  #conflict(change_id: string, held: Entity | undefined): Exact {
    if (this.#breaks('current is left out')) return { change_id, status: 'conflict' };
    const { version = 0, data = null, at = null } = held ?? {};
    const current = { cloud_version: exact(version), updated_at: at, deleted: data === null, data };
    return { change_id, status: 'conflict', current };
  }

  #rowFrom(data: ExactObject, held: Entity | undefined): ExactObject {
    const row = this.#breaks('rows are patched') ? { ...held?.data, ...data } : data;
    return this.#breaks('numbers are floats') ? (roundedBy(row) as ExactObject) : row;
  }

  #entity(path: string): Answer {
    const [, , type = '', raw = '', tail] = path.split('/');
    const id = this.#breaks('ids are not decoded') ? raw : decodeURIComponent(raw);
    const held = this.#entities.get(JSON.stringify([type, id]));
    if (held === undefined || (held.data === null && this.#breaks('a tombstone is not found')))
      return { status: 404, body: {} };
    if (tail === 'version') return { status: 200, body: { cloud_version: exact(held.version) } };
    return { status: 200, body: { ...changeOf(held), deleted: held.data === null } };
  }

  #changes(query: URLSearchParams): Answer {
    const limit = Number(query.get('limit') ?? 100);
    const cursor = query.get('cursor') ?? 'at-0';
    const strange = !/^at-\d+$/.test(cursor);
    if (strange && !this.#breaks('a strange cursor is the end')) return refusal(400, 'cursor');
    const place = strange ? this.#feed.length : Number(cursor.slice(3));
    const fromEnd = this.#breaks('pages are counted from the newest change');
    const all = fromEnd ? this.#feed.toReversed() : this.#feed;
    const page = all.slice(place, place + limit);
    const next = place + page.length;
    const more = next < this.#feed.length;
    return { status: 200, body: { changes: page.map(changeOf), next_cursor: `at-${next}`, has_more: more } };
  }

  #living(body: ExactObject): [string, Exact][] {
    const bucket = body.bucket as string;
    return [...this.#entities.values()]
      .filter(
        ({ type, data }) =>
          type === body.entity_type && (data !== null || this.#breaks('the digest counts the deleted')),
      )
      .filter(({ data }) => this.#bucketOf(body, data) === bucket)
      .map(({ id, version }) => [id, exact(version)]);
  }

  #bucketOf({ date_field, timezone }: ExactObject, data: ExactObject | null): string {
    if (date_field === null || date_field === undefined) return '*';
    const value = data?.[date_field as string];
    if (typeof value !== 'string') return '*';
    const timeZone = this.#breaks('days are those of UTC') ? 'UTC' : (timezone as string);
    return new Date(value).toLocaleDateString('sv-SE', { timeZone });
  }

  #digest(body: ExactObject): Answer {
    const told = new Map((body.buckets as ExactObject[]).map((one) => [one.bucket as string, one]));
    const days = [...this.#entities.values()].map(({ data }) => this.#bucketOf(body, data));
    const silent = this.#breaks('the digest keeps still about missing buckets');
    const names = new Set([...(silent ? [] : days), ...told.keys()]);
    const differ = [...names].flatMap((bucket) => {
      const living = this.#living({ ...body, bucket }).map(([id, one]): [string, number] => [id, Number(text(one))]);
      const own = bucketOf(bucket, living);
      const said = told.get(bucket);
      const same = numberOf(said?.count) === own.count && said?.sum === own.sum;
      return same ? [] : [{ ...own, count: exact(own.count) }];
    });
    return { status: 200, body: { differ } };
  }
}

export async function startTinyCloud(apiKey: string, rule?: BrokenRule): Promise<TinyCloud> {
  const tiny = new Tiny(rule);
  const server = createServer(async (request, response) => {
    const [path = '', query] = (request.url ?? '').slice('/v1'.length).split('?');
    const answer = await answerTo(tiny, request, path, new URLSearchParams(query), apiKey, rule);
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(writeExactly(answer.body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answerTo(
  tiny: Tiny,
  request: IncomingMessage,
  path: string,
  query: URLSearchParams,
  apiKey: string,
  rule: BrokenRule | undefined,
): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  if (request.headers['x-api-key'] !== apiKey && rule !== 'any key will do') return refusal(401, 'api_key');
  const packed = request.headers['content-encoding'] === 'gzip';
  if (packed && rule === 'gzip is not read') return refusal(415, 'encoding');
  const bytes = packed ? gunzipSync(Buffer.concat(chunks)) : Buffer.concat(chunks);
  if (bytes.length > 100_000) return refusal(413, 'too_large');
  const body = readExactly(bytes.toString());
  return tiny.answer(request.method ?? '', { path, query, body: isObject(body) ? body : {} });
}

function refusal(status: number, code: string, more: ExactObject = {}): Answer {
  return { status, body: { error: { code, message: 'no words for it', ...more } } };
}

function rejected({ change_id }: ExactObject): Exact {
  return { change_id: change_id ?? '', status: 'rejected', error: { code: 'bad', message: 'bad', retryable: false } };
}

function changeOf({ type, id, version, data, at }: Entity): ExactObject {
  const operation = data === null ? 'delete' : 'update';
  return { entity_type: type, entity_id: id, operation, cloud_version: exact(version), updated_at: at, data };
}

/** What JavaScript's own reading leaves of it. */
function roundedBy(row: ExactObject): Exact {
  return readExactly(JSON.stringify(JSON.parse(writeExactly(row)))) as Exact;
}

const exact = (value: number): Exact => readExactly(String(value)) as Exact;
const text = (value: Exact | undefined): string => writeExactly(value ?? null);
const numberOf = (value: Exact | undefined): number | null =>
  value === null || value === undefined ? null : Number(text(value));
