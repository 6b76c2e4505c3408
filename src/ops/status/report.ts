/** The status report as everybody gets it, by the rules of one configuration: the command, the admin port. Reads only. */
import type { Settings } from '../../config/settings.js';
import type { Db } from '../../db/connect.js';
import { type Facts, gatherFacts } from './read.js';
import { judge, type Rules, type StatusReport } from './verdict.js';

export type Told = { facts: Facts; rules: Rules; report: StatusReport };

export type StatusSettings = Pick<Settings, 'outlet' | 'alerts' | 'entities' | 'sync' | 'disk'>;

/** Gathers the facts and judges them by the alert rules of the configuration. Reads only. */
export async function statusOf(db: Db, settings: StatusSettings): Promise<Told> {
  const { outlet, alerts, entities, sync, disk } = settings;
  const found = await gatherFacts(db, outlet.timezone);
  const facts = { ...found, enabled: found.enabled && sync.enabled, switched_off: !sync.enabled };
  const pushed = [...entities].filter(([, entity]) => entity.direction !== 'pull').map(([name]) => name);
  const rules = { ...alerts, outletId: outlet.id, entities: pushed, diskWarnMs: disk?.warnMs };
  return { facts, rules, report: judge(facts, rules) };
}
