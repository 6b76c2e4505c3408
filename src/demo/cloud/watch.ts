/**
 * Watches how outlets behave where the contract binds them but leaves the cloud no answer to give: what is seen is noted in the
 * ledger and changes nothing.
 */
import type { Exchange } from './exchange.js';
import type { PushedBatch, ViolationRule } from './records.js';

export function watchConduct(exchange: Exchange, batch: PushedBatch): void {
  const { cloud, record } = exchange;
  const note = (rule: ViolationRule, detail: string) =>
    cloud.ledger.violated({ request: record.request, at: record.at, outlet_id: batch.outlet_id, rule, detail });
  const earlier = new Set<string>();
  const mine = new Set<string>();
  for (const change of batch.changes) {
    const { change_id, entity_type, entity_id, after } = change;
    if (after !== undefined && !earlier.has(after)) note('after outside the batch', change_id);
    earlier.add(change_id);
    const before = cloud.state.applied(change_id);
    if (before !== undefined && before.data !== change.data) note('other content under a known id', change_id);
    // By outlet for shared types too: the rule binds each outlet by itself.
    mine.add(`${batch.outlet_id}\u0000${entity_type}\u0000${entity_id}`);
  }
  for (const key of mine) {
    const other = cloud.inFlight.get(key);
    if (other !== undefined)
      note('entity in flight twice', `${key.split('\u0000').slice(1).join(' ')}, request ${other}`);
    cloud.inFlight.set(key, record.request);
  }
  const leave = () => {
    for (const key of mine) if (cloud.inFlight.get(key) === record.request) cloud.inFlight.delete(key);
  };
  if (exchange.closed.aborted) leave();
  else exchange.closed.addEventListener('abort', leave, { once: true });
}
