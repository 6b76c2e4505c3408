/**
 * The reference cloud as a process of its own, to be killed and started again on the same port and journal, steered over its
 * control route. Wants the built program (`npm run build`).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Edit } from '../../src/demo/cloud/edit.js';
import type { FaultRule } from '../../src/demo/cloud/faults.js';
import type { CloudOptions } from '../../src/demo/cloud/open.js';
import type {
  Delivery,
  EntityRecord,
  FeedEntry,
  RequestRecord,
  Statistics,
  Subscription,
  Violation,
  WebhookRecord,
} from '../../src/demo/cloud/records.js';
import type { WebhookOrder } from '../../src/demo/cloud/webhook-events.js';

const PROGRAM = resolve('dist/demo/cloud/main.js');

export class CloudProcess {
  readonly #directory: string;
  readonly #env: Record<string, string>;
  #child: ChildProcess | undefined;
  #port = 0;

  private constructor(directory: string, env: Record<string, string>) {
    this.#directory = directory;
    this.#env = env;
  }

  /** @param directory where its options and its journal are kept. @param env beside our own */
  static async start(
    directory: string,
    options: CloudOptions,
    env: Record<string, string> = {},
  ): Promise<CloudProcess> {
    const cloud = new CloudProcess(directory, env);
    writeFileSync(join(directory, 'cloud.json'), JSON.stringify(options), { mode: 0o600 });
    await cloud.startAgain();
    return cloud;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/api/v1`;
  }

  get journal(): string {
    return join(this.#directory, 'cloud.journal');
  }

  /** Starts it on the port that it had, from its journal. */
  async startAgain(): Promise<void> {
    const options = ['--options', join(this.#directory, 'cloud.json'), '--journal', this.journal];
    const child = spawn(process.execPath, [PROGRAM, ...options, '--port', String(this.#port), '--with-parent'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...this.#env },
    });
    this.#child = child;
    const lines = createInterface({ input: child.stdout });
    const ended = once(child, 'exit').then(() => [undefined]);
    const [line] = (await Promise.race([once(lines, 'line'), ended])) as [string | undefined];
    if (line === undefined) throw new Error(`the reference cloud ended with ${child.exitCode}`);
    this.#port = (JSON.parse(line) as { port: number }).port;
  }

  /** Ends it as a power cut would, or in good order; returns its exit code. */
  async end(signal: 'SIGKILL' | 'SIGTERM' = 'SIGTERM'): Promise<number | null> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return null;
    child.kill(signal);
    const [code] = (await once(child, 'exit')) as [number | null];
    return code;
  }

  ledger = () => this.#all<Delivery>('ledger');
  requests = () => this.#all<RequestRecord>('requests');
  feed = () => this.#all<FeedEntry>('feed');
  violations = () => this.#all<Violation>('violations');
  /** @param type of this type alone */
  entities = (outletId?: string, type?: string) => {
    const wanted = Object.entries({ outlet: outletId, type }).filter(([, value]) => value !== undefined);
    return this.#all<EntityRecord>(
      'entities',
      String(new URLSearchParams(Object.fromEntries(wanted) as Record<string, string>)),
    );
  };
  statistics = () => this.#call<Statistics>('GET', 'statistics');
  webhooks = () => this.#all<WebhookRecord>('webhooks');
  webhook = (order: WebhookOrder) => this.#call<WebhookRecord>('POST', 'webhooks', order);
  subscribe = (subscription: Subscription) => this.#call('POST', 'subscriptions', subscription);
  edit = (edit: Edit) => this.#call<EntityRecord>('POST', 'edit', edit);
  forget = (outlet_id: string, entity_type: string, entity_id: string) =>
    this.#call('POST', 'forget', { outlet_id, entity_type, entity_id });
  backup = async () => (await this.#call<{ backup: string }>('POST', 'backups', {})).backup;
  restore = async (backup: string) =>
    (await this.#call<{ cloud_epoch: string }>('POST', 'restore', { backup })).cloud_epoch;
  down = (forMs: number) => this.#call('POST', 'down', { forMs });
  addFault = async (rule: FaultRule) => (await this.#call<{ id: string }>('POST', 'faults', rule)).id;
  clearFaults = (id?: string) => this.#call('DELETE', id === undefined ? 'faults' : `faults/${id}`);

  async #all<T>(what: string, query = ''): Promise<T[]> {
    const all: T[] = [];
    for (let from: number | null = 0; from !== null; ) {
      const page: { items: T[]; next: number | null } = await this.#call('GET', `${what}?from=${from}&${query}`);
      all.push(...page.items);
      from = page.next;
    }
    return all;
  }

  async #call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await fetch(`http://127.0.0.1:${this.#port}/_control/${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`control ${method} ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as T;
  }
}
