/**
 * One request on its way through the cloud: what came, the faults that hit it, and the record that the ledger keeps. Also what
 * all exchanges share.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { WireCapabilities } from '../../cloud/wire.js';
import type { Courier } from './courier.js';
import type { Days } from './day.js';
import type { Fault, FaultRule, Faults, Head } from './faults.js';
import type { Journal } from './journal.js';
import type { Ledger } from './ledger.js';
import type { RequestRecord } from './records.js';
import type { CloudState } from './state.js';

/** The parts that every request works on. */
export type Cloud = {
  apiKey: string;
  /** The outlets that may call; null: any. */
  outlets: ReadonlySet<string> | null;
  capabilities: WireCapabilities & { cloud_epoch: string };
  state: CloudState;
  ledger: Ledger;
  journal: Journal;
  courier: Courier;
  faults: Faults;
  /** Entities in a push that is being answered: the request by outlet and key. */
  inFlight: Map<string, number>;
  /** How each outlet's last digest of a type made its days. Not in the journal. */
  digests: Map<string, Days>;
  /** Pushes that are being read, decided or answered. */
  openPushes: number;
};

export type Answer = {
  status: number;
  headers: Record<string, string>;
  body: string;
  /** Called when the last byte has gone out. */
  sent?: () => void;
};

/** Kinds whose request is not applied, whatever is in it. */
const WITHHOLDING = new Set<Fault['kind']>(['reset', 'silence', 'captive-portal', 'redirect']);

export class Exchange {
  readonly cloud: Cloud;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly head: Head;
  readonly query: URLSearchParams;
  readonly record: RequestRecord;
  /** Aborts when the connection has gone, whoever closed it. */
  readonly closed: AbortSignal;
  readonly #faults: FaultRule[];

  constructor(cloud: Cloud, request: IncomingMessage, response: ServerResponse, head: Head, record: RequestRecord) {
    this.cloud = cloud;
    this.request = request;
    this.response = response;
    this.head = head;
    this.query = new URLSearchParams(record.query);
    this.record = record;
    const closed = new AbortController();
    response.once('close', () => closed.abort());
    this.closed = closed.signal;
    this.#faults = cloud.faults.takeForHead(head);
  }

  /** Adds the faults that name something in the body. */
  hit(faults: FaultRule[]): void {
    this.#faults.push(...faults);
  }

  get kinds(): string[] {
    return this.#faults.map((fault) => fault.kind);
  }

  /** The first fault of a kind. */
  fault<K extends Fault['kind']>(kind: K): (Extract<Fault, { kind: K }> & FaultRule) | undefined {
    return this.faults(kind)[0];
  }

  faults<K extends Fault['kind']>(kind: K): (Extract<Fault, { kind: K }> & FaultRule)[] {
    return this.#faults.filter((fault): fault is Extract<Fault, { kind: K }> & FaultRule => fault.kind === kind);
  }

  /** True where the answer will be a refusal or none at all without the push having been applied. */
  get withheld(): boolean {
    return this.#faults.some(
      (fault) =>
        WITHHOLDING.has(fault.kind) || ((fault.kind === 'status' || fault.kind === 'body') && fault.commit !== true),
    );
  }

  /** The history that the cloud claims to be. */
  get cloudEpoch(): string {
    return this.fault('epoch')?.cloud_epoch ?? this.cloud.capabilities.cloud_epoch;
  }

  /** The cloud's clock as it shows it. */
  now(): Date {
    return new Date(Date.now() + (this.fault('clock')?.offsetMs ?? 0));
  }
}

export function json(status: number, body: unknown): Answer {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { status, headers: { 'content-type': 'application/json' }, body: text };
}
