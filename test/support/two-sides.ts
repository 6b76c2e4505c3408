/**
 * A shop and a cloud that both edit the same products, and everything in between under the test's hand: when a batch is read, when
 * it arrives, when its answer comes or gets lost, which version is delivered next and how often. The cloud's rules are the
 * reference cloud's own; the outlet's parts are the real ones, on a real database.
 */

import { randomUUID } from 'node:crypto';
import { Horizon } from '../../src/apply/horizon.js';
import { applyRound, lookAhead } from '../../src/apply/round.js';
import { loadTables } from '../../src/apply/tables.js';
import type { CloudClient } from '../../src/cloud/client.js';
import { ClockOffset } from '../../src/cloud/clock.js';
import type { Reply } from '../../src/cloud/reply.js';
import type { EntitySettings, Settings } from '../../src/config/settings.js';
import { decideBatch } from '../../src/demo/cloud/decide.js';
import { parsePush } from '../../src/demo/cloud/parse.js';
import type { FeedEntry } from '../../src/demo/cloud/records.js';
import { CloudState } from '../../src/demo/cloud/state.js';
import type { Log } from '../../src/log.js';
import { Backlog, type PendingChange } from '../../src/push/backlog.js';
import { blame, type ExchangeDeps, pushBatch } from '../../src/push/exchange.js';
import { Pass } from '../../src/push/pass.js';
import { QueueFloor } from '../../src/queue/floor.js';
import { conflictBook } from '../../src/resolve/conflicts.js';
import { resolveOpen } from '../../src/resolve/resolve.js';
import { monotonicMs } from '../../src/time.js';
import { makeLimits } from './changes.js';
import type { ConflictStage } from './conflict-stage.js';

const OUTLET = 'outlet-7';
const LIMITS = makeLimits(100, 1_000_000, 500, 4_000_000);
const SILENT: Log = { error() {}, warn() {}, info() {}, debug() {} };

export type Row = { id: number; name: string; price: number; qty: number; note: string | null };

/** What both sides have of a row, to tell rows apart by. */
export const imageOf = ({ id, name, price, qty }: Row): string => JSON.stringify([id, name, price, qty]);

export class TwoSides {
  readonly #stage: ConflictStage;
  readonly #settings: Settings;
  readonly cloud = new CloudState(['product'], {});
  readonly #horizon = new Horizon();
  readonly #resolving = new Horizon();
  readonly #backlog = new Backlog();
  #loaded: PendingChange[] | undefined;
  #delivered = 0;
  /** Pushes that the cloud took something from. */
  pushes = 0;
  /** What was laid over on one side without ever having stood on the other. */
  readonly laidOver: Record<'shop' | 'cloud', Set<string>> = { shop: new Set(), cloud: new Set() };
  readonly #stoodInShop = new Set<string>();

  constructor(stage: ConflictStage, product: Partial<EntitySettings>) {
    this.#stage = stage;
    const entities = new Map(stage.settings.entities);
    entities.set('product', { ...(entities.get('product') as EntitySettings), ...product });
    this.#settings = { ...stage.settings, entities };
  }

  /** Head office changes a row, makes it, or (null) deletes it. */
  office(id: number, patch: Partial<Row> | null, updatedAtMs = Date.now()): void {
    const before = this.cloud.entity(this.#key(id));
    if (patch === null && (!before || before.deleted)) return;
    const row = before?.data ? JSON.parse(before.data) : { id, name: 'new', price: 0, qty: 0 };
    const at = new Date(updatedAtMs).toISOString();
    this.cloud.edit({
      kind: 'edit',
      at,
      outlet_id: null,
      entity_type: 'product',
      entity_id: String(id),
      cloud_version: (before?.cloud_version ?? 0) + 1,
      changed_fields: null,
      data: patch === null ? null : JSON.stringify({ ...row, note: 'office', ...patch }),
      updated_at: at,
    });
  }

  cloudRow(id: number): Row | undefined {
    const data = this.cloud.entity(this.#key(id))?.data;
    return data ? JSON.parse(data) : undefined;
  }

  /**
   * Reads a batch; it stays in memory until it is sent, whatever happens meanwhile.
   * @param newest so many changes of it alone, as of a batch that was halved; default all
   */
  async load(newest?: number): Promise<void> {
    if (this.#loaded) return;
    const { db } = this.#stage;
    const pass = new Pass({
      reader: db,
      special: db,
      backlog: this.#backlog,
      floor: new QueueFloor(db, monotonicMs),
      coalesced: new Set(),
      correctionMs: () => 0,
    });
    pass.begin(true, new Set());
    while (!pass.ended) await pass.read(LIMITS);
    this.#loaded = this.#backlog.take(LIMITS, new Set())?.slice(newest === undefined ? 0 : -newest);
    this.#backlog.clear();
  }

  /**
   * Sends what was loaded.
   * @param lost the cloud applies it and its answer never comes
   * @param meanwhile happens after the cloud has applied it and before the answer is written down
   */
  async send(lost = false, meanwhile: () => Promise<void> = async () => {}): Promise<boolean> {
    await this.load();
    const batch = this.#loaded;
    this.#loaded = undefined;
    if (!batch) return false;
    const push = async (body: string) => {
      const reply = this.#receive(body, lost);
      await meanwhile();
      return { reply, bytes: body.length, wireBytes: body.length };
    };
    await pushBatch(this.#deps(push), randomUUID(), batch, []);
    return true;
  }

  /** Sends what was loaded, alone of all without an answer, though the cloud applies it: it is blamed once, or until it has failed. */
  async blame(times: number): Promise<void> {
    await this.load();
    const batch = this.#loaded ?? [];
    await this.send(true);
    for (const change of batch) {
      for (let retryCount = 0; retryCount < times; retryCount++) {
        const why = { reason: 'no answer', retryable: true, unheard: true } as const;
        await blame(this.#deps(), randomUUID(), { ...change, retryCount }, why);
      }
    }
  }

  #deps(push?: (body: string) => Promise<unknown>): ExchangeDeps {
    return {
      db: this.#stage.db,
      client: { push } as unknown as CloudClient,
      clock: new ClockOffset(false),
      identity: { outlet_id: OUTLET, install_id: '00000000-0000-4000-8000-000000000001', epoch: '1' },
      leader_epoch: '1',
      retry: this.#settings.sync.retry,
      strategyOf: (type: string) => this.#settings.entities.get(type)?.conflict ?? 'manual',
      checkEpoch: async () => undefined,
      log: SILENT,
      nowMs: Date.now,
      random: () => 0,
    };
  }

  #receive(body: string, lost: boolean): Reply {
    const batch = parsePush(Buffer.from(body), 1_000);
    const decisions = decideBatch(this.cloud, batch.changes, {
      outletId: OUTLET,
      keyOf: (type, id) => this.cloud.keyOf(OUTLET, type, id),
      parentsOf: () => [],
      imposed: () => undefined,
    });
    for (const { key, status } of decisions) {
      if (status !== 'accepted') continue;
      this.pushes++;
      const held = this.cloud.entity(key);
      if (!held?.data || held.origin_outlet_id !== null) continue;
      const image = imageOf(JSON.parse(held.data));
      if (!this.#stoodInShop.has(image)) this.laidOver.cloud.add(image);
    }
    this.cloud.push({
      kind: 'push',
      refused: false,
      request: 1,
      at: new Date().toISOString(),
      outlet_id: OUTLET,
      install_id: batch.install_id,
      epoch: batch.epoch,
      batch_id: batch.batch_id,
      changes: decisions.map((decision) => ({
        ...decision.change,
        base_cloud_version: decision.change.base_cloud_version ?? null,
        after: decision.change.after ?? null,
        supersedes: decision.change.supersedes ?? [],
        outcome: decision.status,
        cloud_version: 'cloud_version' in decision ? decision.cloud_version : null,
      })),
    });
    if (lost) return { kind: 'none', error: 'cut off', timedOut: false, durationMs: 1 };
    const results = decisions.map((decision) => {
      const { change_id } = decision.change;
      if (decision.status === 'conflict') {
        const { cloud_version = 0, updated_at = null, deleted = true, data = null } = decision.current ?? {};
        const side = JSON.stringify({ cloud_version, updated_at, deleted }).slice(0, -1);
        return `{"change_id":"${change_id}","status":"conflict","current":${side},"data":${data}}}`;
      }
      const version = 'cloud_version' in decision ? { cloud_version: decision.cloud_version } : {};
      return JSON.stringify({ change_id, status: decision.status, ...version });
    });
    const answer = `{"results":[${results.join(',')}],"server_time":"${new Date().toISOString()}"}`;
    return { kind: 'answer', status: 200, body: answer, retryAfter: undefined, date: undefined, durationMs: 1 };
  }

  /** Versions come in, in this order; the places count from what has not come yet, negative ones come again. */
  async deliver(places: readonly number[]): Promise<void> {
    const { entries } = this.cloud.feed;
    for (const place of places) {
      const entry = entries[this.#delivered + place];
      if (entry) await this.#bring(entry);
    }
  }

  /** Everything that has not come yet, in its order. */
  async deliverAll(): Promise<void> {
    const { entries } = this.cloud.feed;
    for (; this.#delivered < entries.length; this.#delivered++)
      await this.#bring(entries[this.#delivered] as FeedEntry);
  }

  async #bring(entry: FeedEntry): Promise<void> {
    await this.#stage.one(
      `INSERT INTO syncd.incoming (inbox_id, source, entity_type, entity_id, operation, cloud_version, updated_at, data)
       VALUES (1, 'pull', $1, $2, $3, $4, $5, $6::json)`,
      [entry.entity_type, entry.entity_id, entry.operation, entry.cloud_version, entry.updated_at, entry.data],
    );
  }

  /** Applies what has come and lets the rules settle the conflicts; what waits for an answer looks again each time. */
  async apply(resolve = true): Promise<void> {
    const { applier } = this.#stage;
    await this.#stage.edits('UPDATE syncd.incoming SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL');
    const tables = await loadTables(applier, this.#settings);
    const deps = {
      db: applier,
      leader_epoch: '1',
      conflicts: conflictBook,
      configured: new Set(tables.keys()),
      horizon: this.#horizon,
      log: SILENT,
    };
    const before = await this.shopRows();
    await applyRound(deps, tables, await lookAhead(applier, 1_000));
    if (resolve)
      await resolveOpen({
        db: applier,
        tables,
        leader_epoch: '1',
        log: SILENT,
        horizon: this.#resolving,
        longestWaitMs: 1_000,
      });
    await this.#compare(before);
  }

  async shopRows(): Promise<Row[]> {
    return this.#stage.all('SELECT id, name, price::float8 AS price, qty, note FROM products ORDER BY id');
  }

  /** Notes what the outlet itself has changed in the shop. */
  async #compare(before: Row[]): Promise<void> {
    const after = new Set((await this.shopRows()).map(imageOf));
    for (const image of after) this.#stoodInShop.add(image);
    const atCloud = new Set(this.cloud.feed.entries.flatMap(({ data }) => (data ? [imageOf(JSON.parse(data))] : [])));
    for (const image of before.map(imageOf)) {
      if (!after.has(image) && !atCloud.has(image)) this.laidOver.shop.add(image);
    }
  }

  /**
   * Goes on until nothing is left to do.
   * @returns how many rounds it took
   */
  async quieten(most: number): Promise<number> {
    for (let round = 1; round <= most; round++) {
      const sent = await this.send();
      await this.deliverAll();
      await this.apply();
      const { open } = await this.#stage.one(
        `SELECT (SELECT count(*) FROM syncd.unsettled u WHERE NOT EXISTS (
                  SELECT FROM syncd.sync_conflicts k WHERE k.status = 'open' AND k.entity_id = u.entity_id))
              + (SELECT count(*) FROM syncd.incoming) AS open`,
      );
      if (!sent && open === '0') return round;
    }
    const left = await this.#stage.all('SELECT * FROM syncd.unsettled');
    const incoming = await this.#stage.all('SELECT * FROM syncd.incoming');
    throw new Error(`not quiet after ${most} rounds: ${JSON.stringify({ left, incoming })}`);
  }

  get settings(): Settings {
    return this.#settings;
  }

  #key(id: number): string {
    return this.cloud.keyOf(OUTLET, 'product', String(id));
  }
}
