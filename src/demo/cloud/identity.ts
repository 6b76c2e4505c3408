/**
 * Who may push under an outlet's name: one living copy, named by install id and epoch. Also the batch's own name, which only a
 * resend of the same changes may repeat. Pure.
 */
import type { PushedBatch } from './records.js';
import { Refusal } from './refusal.js';
import type { CloudState } from './state.js';
import { contentOf } from './state.js';

/** @throws Refusal 409 `fork` for an old, a second or a copied machine; 422 where a batch id names other changes. */
export function checkIdentity(state: CloudState, batch: PushedBatch): void {
  const known = state.outlet(batch.outlet_id);
  if (known === undefined) return;
  const fork = (what: string) => new Refusal(409, 'fork', what, { epoch: known.epoch });
  if (batch.epoch < known.epoch) throw fork(`epoch ${batch.epoch} was taken over by epoch ${known.epoch}`);
  if (batch.epoch === known.epoch) {
    if (batch.install_id !== known.install_id) throw fork('another install pushes at this epoch');
    for (const change of batch.changes) {
      const before = known.seqs.get(change.seq);
      if (before !== undefined && before !== change.change_id) {
        throw fork(`seq ${change.seq} is known as another change`);
      }
    }
  }
  const content = known.batches.get(batch.batch_id);
  if (content !== undefined && content !== contentOf(batch.changes)) {
    throw new Refusal(422, 'idempotency_key_reused', 'this batch_id named other changes before');
  }
}
