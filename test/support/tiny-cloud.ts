/**
 * A cloud of the smallest kind, in memory, that keeps the wire contract but for the rules that a test has it break: to see
 * whether syncd cloud-check notices, and blames the right rules.
 */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { type Exact, type ExactObject, isObject, readExactly, writeExactly } from '../../src/cloud-check/exact.js';
import { bucketOf } from '../../src/cloud-check/fingerprint.js';
import type { BrokenRule } from './broken-rules.js';
import {
  type Answer,
  changeOf,
  dayOf,
  type Entity,
  exact,
  isOld,
  keyOf,
  numberOf,
  refusal,
  rejected,
  rewritten,
  roundedBy,
  seqOf,
  text,
} from './tiny-answers.js';
import { Memories, type Memory } from './tiny-memory.js';

export type TinyCloud = { url: string; stop(): Promise<void> };

type Parts = { path: string; query: URLSearchParams; body: ExactObject };

const KNOWN = ['batch_id', 'outlet_id', 'install_id', 'epoch', 'sent_at', 'changes'];

class Tiny {
  readonly #broken: ReadonlySet<BrokenRule>;
  readonly #memories: Memories;
  readonly #own: Memory;

  constructor(memories: Memories, outletId: string) {
    this.#broken = memories.broken;
    this.#memories = memories;
    this.#own = memories.of(outletId);
  }

  get #entities(): Memory['entities'] {
    return this.#own.entities;
  }

  get #applied(): Memory['applied'] {
    return this.#own.applied;
  }

  async answer(method: string, parts: Parts): Promise<Answer> {
    const { path, query, body } = parts;
    if (path === '/health') return { status: 200, body: {} };
    if (path === '/sync/capabilities') return { status: 200, body: this.#capabilities() };
    if (path === '/sync/push') return this.#remembered(body);
    if (path === '/sync/changes') return this.#own.feed.page(query);
    if (path === '/sync/digest') return this.#digest(body);
    if (path === '/sync/digest/entities')
      return {
        status: 200,
        body: { entities: this.#living(body, this.#breaks('the digest lists the rows of all outlets')) },
      };
    if (method === 'GET' && path.startsWith('/entities/')) return this.#entity(path);
    return { status: 404, body: {} };
  }

  #breaks(rule: BrokenRule): boolean {
    return this.#broken.has(rule);
  }

  #capabilities(): Exact {
    const limits = { max_batch_changes: exact(200), max_batch_bytes: exact(250_000) };
    return {
      ...limits,
      protocol: exact(1),
      encodings: ['gzip'],
      long_poll:
        this.#breaks('a wait is not waited') ||
        this.#breaks('a wait is waited to its end') ||
        this.#breaks('any push ends a wait'),
      digest: true,
    };
  }

  async #remembered(body: ExactObject): Promise<Answer> {
    const known = this.#own.answers.get(body.batch_id as string);
    if (known && this.#breaks('answers are kept by Idempotency-Key alone')) return known;
    const answer = await this.#push(body);
    this.#own.answers.set(body.batch_id as string, answer);
    return answer;
  }

  async #push(body: ExactObject): Promise<Answer> {
    const changes = body.changes as ExactObject[];
    const unknown = [...Object.keys(body)].find((name) => !KNOWN.includes(name));
    if (unknown && this.#breaks('unknown fields are refused')) return refusal(400, 'unknown_field');
    const most = this.#breaks('a full batch is one too many') ? 199 : 200;
    if (changes.length > most) return refusal(413, 'too_large');
    const fork = this.#forkIn(body, changes);
    if (fork && !this.#breaks('a refused push is applied')) return fork;
    const bad = changes.some(({ operation }) => !['create', 'update', 'delete'].includes(operation as string));
    const all = bad && this.#breaks('a bad change takes the others down');
    const results: Exact[] = [];
    const early = this.#own.feed.nextPlace();
    const together = this.#breaks('what came together has one place');
    const late = this.#breaks('late commits are passed over');
    if (late && early % 2 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    for (const change of changes) {
      const place = together || late ? early : this.#own.feed.nextPlace();
      results.push(all ? rejected(change) : await this.#apply(change, place));
    }
    return fork ?? { status: 200, body: { results } };
  }

  #forkIn(body: ExactObject, changes: ExactObject[]): Answer | undefined {
    const [epoch, install_id] = [Number(text(body.epoch)), body.install_id as string];
    const { living, seqs } = this.#own;
    if (living.copy === undefined || epoch > living.copy.epoch) {
      living.copy = { install_id, epoch };
      if (this.#breaks('change ids are forgotten with the epoch')) this.#applied.clear();
    }
    const known = living.copy;
    const placeOf = (seq: Exact | undefined) =>
      `${this.#breaks('a seq is known for ever') ? '' : epoch} ${seqOf(this.#broken, seq)}`;
    const older = epoch < known.epoch && !this.#breaks('an older epoch may push');
    const other = epoch === known.epoch && install_id !== known.install_id && !this.#breaks('any install may push');
    const copied = changes.some(({ seq, change_id }) => (seqs.get(placeOf(seq)) ?? change_id) !== change_id);
    if (older || other || (copied && epoch === known.epoch && !this.#breaks('a seq may come under another name')))
      return refusal(409, 'fork', this.#breaks('a fork does not tell the epoch') ? {} : { epoch: exact(known.epoch) });
    for (const { seq, change_id } of changes) seqs.set(placeOf(seq), change_id as string);
    return undefined;
  }

  async #apply(change: ExactObject, place: number): Promise<Exact> {
    const { operation, entity_type: type, entity_id: id } = change as Record<string, string>;
    const change_id = change.change_id as string;
    const key = keyOf(this.#broken, change.entity_type, change.entity_id);
    if (this.#applied.has(change_id) && !this.#breaks('change ids are forgotten')) return this.#duplicate(change_id);
    if (!['create', 'update', 'delete'].includes(operation as string)) return rejected(change);
    if (this.#breaks('old edits are refused') && isOld(change)) return rejected(change);
    const seen = this.#entities.get(key);
    const racing = this.#breaks('two requests at once do not see each other');
    if (racing) await new Promise((resolve) => setTimeout(resolve, 20));
    const held = this.#entities.get(key);
    const after = change.after as string | undefined;
    if (after && !this.#applied.has(after) && !this.#breaks('after is not looked at')) {
      if (this.#breaks('what was held is remembered')) this.#applied.set(change_id, { key, version: 1 });
      return { change_id, status: 'held', waiting_for: null };
    }
    if (operation === 'update' && held === undefined && this.#breaks('an update needs a row'))
      return this.#conflict(change_id, held);
    const again = operation === 'delete' && held?.data === null && !this.#breaks('a delete of a tombstone counts');
    const free = operation === 'delete' && (held === undefined || held.data === null);
    if (!free && !this.#fits(change, key, racing ? seen : held)) return this.#conflict(change_id, held);
    const first = this.#breaks('versions begin at 0') ? 0 : 1;
    const version = again ? held.version : held === undefined ? first : held.version + 1;
    if (operation !== 'delete' || !this.#breaks('a delete is not remembered'))
      this.#applied.set(change_id, { key, version });
    if (!again) {
      const data = operation === 'delete' ? null : this.#rowFrom(change.data as ExactObject, held);
      const at = this.#breaks('updated_at is when it came') ? new Date().toISOString() : (change.changed_at as string);
      const entity = { type: type as string, id: id as string, version, data, at, place };
      this.#entities.set(key, entity);
      this.#own.feed.append(entity);
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
    if (change.after && this.#breaks('after opens the lock')) return true;
    const base = change.after ? (made(change.after) ?? null) : numberOf(change.base_cloud_version);
    if (base === version) return true;
    if (base === null && held?.data === null && this.#breaks('null builds on a tombstone')) return true;
    const some = this.#breaks('only the first of supersedes counts') ? 1 : undefined;
    const superseded = ((change.supersedes ?? []) as Exact[]).slice(0, some).map(made);
    if (this.#breaks('supersedes is not looked at')) return false;
    return superseded.some(
      (one) => one !== undefined && (one === version || this.#breaks('supersedes opens the lock')),
    );
  }

  #conflict(change_id: string, held: Entity | undefined): Exact {
    if (this.#breaks('current is left out')) return { change_id, status: 'conflict' };
    const { version = 0, data = null, at = null } = held ?? {};
    const updated_at = this.#breaks('a conflict tells when it was found') ? new Date().toISOString() : at;
    const current = { cloud_version: exact(version), updated_at, deleted: data === null, data };
    return { change_id, status: 'conflict', current };
  }

  #rowFrom(data: ExactObject, held: Entity | undefined): ExactObject {
    const row = this.#breaks('rows are patched') ? { ...held?.data, ...data } : data;
    if (this.#breaks('numbers are floats')) return roundedBy(row) as ExactObject;
    return readExactly(rewritten(this.#broken, writeExactly(row))) as ExactObject;
  }

  #entity(path: string): Answer {
    const [, , type = '', raw = '', tail] = path.split('/');
    const id = this.#breaks('ids are not decoded') ? raw : decodeURIComponent(raw);
    const key = keyOf(this.#broken, type, id);
    const anybodys = this.#memories.all.flatMap(({ entities }) => entities.get(key) ?? [])[0];
    const held = this.#entities.get(key) ?? (this.#breaks('a row is shown to every outlet') ? anybodys : undefined);
    if (held === undefined || (held.data === null && this.#breaks('a tombstone is not found')))
      return { status: 404, body: {} };
    if (tail === 'version' && held.data === null && this.#breaks('a tombstone has no version'))
      return { status: 404, body: {} };
    if (tail === 'version') return { status: 200, body: { cloud_version: exact(held.version) } };
    return { status: 200, body: { ...changeOf(held), deleted: held.data === null } };
  }

  /** @param all of every outlet */
  #living(body: ExactObject, all: boolean): [string, Exact][] {
    const bucket = body.bucket as string;
    const entities = all ? this.#memories.all.map((one) => one.entities) : [this.#entities];
    return entities
      .flatMap((one) => [...one.values()])
      .filter(
        ({ type, data }) =>
          type === body.entity_type && (data !== null || this.#breaks('the digest counts the deleted')),
      )
      .filter(({ data }) => dayOf(this.#broken, body, data) === bucket)
      .map(({ id, version }) => [id, exact(version)]);
  }

  #digest(body: ExactObject): Answer {
    const told = new Map((body.buckets as ExactObject[]).map((one) => [one.bucket as string, one]));
    const days = [...this.#entities.values()].map(({ data }) => dayOf(this.#broken, body, data));
    const silent = this.#breaks('the digest keeps still about missing buckets');
    const names = new Set([...(silent ? [] : days), ...told.keys()]);
    const all = this.#breaks('the digest counts the rows of all outlets');
    const differ = [...names].flatMap((bucket) => {
      const living = this.#living({ ...body, bucket }, all).map(([id, one]): [string, number] => [
        id,
        Number(text(one)),
      ]);
      const own = bucketOf(bucket, living);
      const said = told.get(bucket);
      const same = numberOf(said?.count) === own.count && said?.sum === own.sum;
      const sum = this.#breaks('sums are signed') ? String(BigInt.asIntN(64, BigInt(own.sum))) : own.sum;
      return same ? [] : [{ ...own, sum, count: exact(own.count) }];
    });
    return { status: 200, body: { differ } };
  }
}

/** @param apiKey of every outlet; with `-<outlet id>` behind it, of that one alone */
export async function startTinyCloud(apiKey: string, ...rules: BrokenRule[]): Promise<TinyCloud> {
  const memories = new Memories(new Set(rules));
  const server = createServer(async (request, response) => {
    const answer = await answerTo(memories, request, apiKey);
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

async function answerTo(memories: Memories, request: IncomingMessage, apiKey: string): Promise<Answer> {
  const { broken } = memories;
  const [path = '', query] = (request.url ?? '').slice('/v1'.length).split('?');
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const anybody =
    broken.has('any key will do') || (broken.has('the digest is for everybody') && path === '/sync/digest');
  const keys = [apiKey, `${apiKey}-${request.headers['x-outlet-id']}`];
  if (!keys.includes(String(request.headers['x-api-key'])) && !anybody) return refusal(401, 'api_key');
  const packed = request.headers['content-encoding'] === 'gzip';
  if (packed && broken.has('gzip is not read')) return refusal(415, 'encoding');
  const bytes = packed ? gunzipSync(Buffer.concat(chunks)) : Buffer.concat(chunks);
  if (bytes.length > 250_000) return refusal(413, 'too_large');
  const body = readExactly(bytes.toString());
  const tiny = new Tiny(memories, String(request.headers['x-outlet-id']));
  return tiny.answer(request.method ?? '', {
    path,
    query: new URLSearchParams(query),
    body: isObject(body) ? body : {},
  });
}
