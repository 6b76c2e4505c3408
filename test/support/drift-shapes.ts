/** A captured table as it was installed, and the same after somebody altered it. */
import type { Observed, Shape, ShapeColumn, ShapeMember, ShapeTrigger, Surroundings } from '../../src/drift/shape.js';

export const trigger = (event: string, change: Partial<ShapeTrigger> = {}): ShapeTrigger => ({
  name: `!syncd ${event}`,
  fires: 'O',
  row: false,
  function: `capture_order_${event}`,
  body: 'b0d1',
  settings: 'lock_timeout=200ms',
  mark: '700',
  ...change,
});
export const TRIGGERS = ['delete', 'insert', 'truncate', 'update'].map((event) => trigger(event));
export const column = (
  number: number,
  name: string,
  type = 'text',
  change: Partial<ShapeColumn> = {},
): ShapeColumn => ({
  number,
  name,
  type,
  nullable: true,
  given: false,
  ...change,
});
export const ID = column(1, 'id', 'integer', { nullable: false });
export const root = (change: Partial<ShapeMember> = {}): ShapeMember => ({
  oid: '100',
  table: 'public.orders',
  kind: 'r',
  partition: false,
  triggers: TRIGGERS,
  ...change,
});
export const LEAF = root({ oid: '101', table: 'public.orders_11', partition: true });

export const RECORDED: Shape = {
  oid: '100',
  table: 'public.orders',
  policies: false,
  columns: [ID, column(2, 'status'), column(3, 'total', 'numeric(12,2)')],
  unique: [[1]],
  members: [root()],
};

export const AROUND: Surroundings = { generator: 'g1', replicas: [] };

export function seen(change: Partial<Observed> = {}): Observed {
  return {
    entity_type: 'order',
    direction: 'both',
    keys: ['id'],
    excluded: ['secret'],
    configured: { table: 'public.orders', direction: 'both', excluded: [] },
    table: 'public.orders',
    recorded: RECORDED,
    generator: 'g1',
    named: RECORDED,
    original: RECORDED,
    rereads: false,
    outrun: false,
    policed: false,
    invoked: false,
    lacking: [],
    shutOut: [],
    suspended: false,
    ...change,
  };
}
/** The table altered in place. */
export const altered = (change: Partial<Shape>, more: Partial<Observed> = {}): Observed => {
  const now = { ...RECORDED, ...change };
  return seen({ named: now, original: now, ...more });
};
export const columns = (...others: ShapeColumn[]) => altered({ columns: others });
export const triggers = (...now: ShapeTrigger[]) => altered({ members: [root({ triggers: now })] });
