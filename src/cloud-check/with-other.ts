/** What the checks with a second outlet have in common. */
import { type Check, type Fault, type Outcome, skipped } from './check.js';
import type { TestOutlet } from './test-outlet.js';

export const KEY = {
  where: 'What the cloud must do, 2',
  says: 'An entity belongs to its outlet: the key is (outlet_id, entity_type, entity_id).',
};

export const nameOf = ({ options }: TestOutlet): string => `outlet ${options.outletId}`;

type Run = (outlet: TestOutlet, other: TestOutlet) => Promise<Outcome>;

/** A check that is left out where there is no second outlet. */
export function withOther(run: Run): Check['run'] {
  return async (outlet) => ('none' in outlet.other ? skipped(outlet.other.none) : run(outlet, outlet.other.outlet));
}

/** As withOther, of a type whose rows belong to their outlet. */
export function withOtherApart(run: Run): Check['run'] {
  return withOther(async (outlet, other) =>
    outlet.options.shared ? skipped('the type is shared (--shared)') : run(outlet, other),
  );
}

/** For what a right cloud does with a type that head office shares. */
export function unlessShared({ options }: TestOutlet, fault: Fault | undefined): Fault | undefined {
  return fault && { ...fault, why: `${fault.why}. Or does head office share the type ${options.type}? Then: --shared` };
}
