/**
 * The ledger: every request and every change in it, in the order in which the cloud saw them. It is the independent truth that
 * tests and the demo read; nothing in the cloud decides by it.
 */
import type { PushLine } from './journal.js';
import type { Delivery, RequestRecord, Statistics, Violation } from './records.js';

export class Ledger {
  readonly #deliveries: Delivery[] = [];
  readonly #requests: RequestRecord[] = [];
  readonly #violations: Violation[] = [];
  /** Where a request's deliveries begin and end. */
  readonly #spans = new Map<number, { from: number; to: number }>();
  #last = 0;

  /** One for each change in each push that could be read, applied or not. Survives a restart of the cloud. */
  get deliveries(): readonly Delivery[] {
    return this.#deliveries;
  }

  /** One for each request to the cloud since it started, control requests aside. */
  get requests(): readonly RequestRecord[] {
    return this.#requests;
  }

  get violations(): readonly Violation[] {
    return this.#violations;
  }

  /** The deliveries that took effect, in order: each is one `change_id`'s only effect, unless the cloud has lost an earlier one. */
  accepted(outletId?: string): Delivery[] {
    return this.#deliveries.filter(
      (delivery) => delivery.outcome === 'accepted' && (outletId === undefined || delivery.outlet_id === outletId),
    );
  }

  open(request: Omit<RequestRecord, 'request'>): RequestRecord {
    const record = { request: ++this.#last, ...request };
    this.#requests.push(record);
    return record;
  }

  push(line: PushLine): void {
    const { request, at, outlet_id, install_id, epoch, batch_id } = line;
    const from = this.#deliveries.length;
    for (const change of line.changes) {
      this.#deliveries.push({
        request,
        at,
        outlet_id,
        install_id,
        epoch,
        batch_id,
        ...change,
        delivered: false,
      });
    }
    this.#spans.set(request, { from, to: this.#deliveries.length });
    this.#last = Math.max(this.#last, request);
  }

  /** The answer to this request went out, with a result for every change but these. */
  acknowledge(request: number, without: ReadonlySet<string>): void {
    const span = this.#spans.get(request);
    if (span === undefined) return;
    for (let index = span.from; index < span.to; index++) {
      const delivery = this.#deliveries[index];
      if (delivery !== undefined && !without.has(delivery.change_id)) delivery.delivered = true;
    }
  }

  violated(violation: Violation): void {
    this.#violations.push(violation);
  }

  statistics(): Statistics {
    const statuses: Record<string, number> = {};
    const sums = { pushes: 0, wire_bytes: 0, raw_bytes: 0, answer_bytes: 0, max_in_flight: 0 };
    for (const request of this.#requests) {
      const status = String(request.status ?? 'none');
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (request.path === '/sync/push') {
        sums.pushes++;
        sums.wire_bytes += request.wire_bytes;
        sums.raw_bytes += request.raw_bytes;
      }
      sums.answer_bytes += request.answer_bytes;
      sums.max_in_flight = Math.max(sums.max_in_flight, request.in_flight);
    }
    const outcomes = { accepted: 0, duplicate: 0, conflict: 0, held: 0, rejected: 0, refused: 0 };
    for (const { outcome } of this.#deliveries) outcomes[outcome]++;
    return { requests: this.#requests.length, ...sums, statuses, outcomes, violations: this.#violations.length };
  }
}
