/** Whether triggers of the POS send rows to and fro between this shop and others. */
import { columnName } from '../../capture/names.js';
import type { EntitySettings, Settings } from '../../config/settings.js';
import { age, count } from '../../ops/status/words.js';
import { rowsToAndFro, type ToAndFro } from '../../queue/to-and-fro.js';
import { ok, type Unnamed, warn } from '../finding.js';
import type { Check } from '../patient.js';

/** Where the cloud neither calls nor waits with its answer, a row is back after two intervals. */
const INTERVALS = 40;
const LEAST_MS = 3_600_000;
const INTERVALS_AT_REST = 4;
const LEAST_AT_REST_MS = 300_000;
const MOST_NAMED = 8;

export const triggers: Check = {
  name: 'triggers',
  needs: ['schema'],
  async look({ db, settings }) {
    const { intervalMs } = settings.sync;
    const sinceMs = Math.max(LEAST_MS, INTERVALS * intervalMs);
    const found = await rowsToAndFro(db, sinceMs, Math.max(LEAST_AT_REST_MS, INTERVALS_AT_REST * intervalMs));
    const told = found.flatMap((one) => tell(one, settings));
    return told.length > 0 ? told : [ok('no row goes to and fro')];
  },
};

/** What is named under `local` by now was mended, and only its past is seen here. */
function tell({ entity_type, rows, entity_id, times, within_ms, columns }: ToAndFro, settings: Settings): Unnamed[] {
  const local = namedLocal(settings.entities.get(entity_type));
  const anew = columns.filter((name) => !local.includes(name));
  if (anew.length === 0) return [];
  const named = anew.slice(0, MOST_NAMED).join(', ') + (anew.length > MOST_NAMED ? ', …' : '');
  const others = rows > 1 ? `, and ${count(rows - 1, 'other row')} of it` : '';
  return [
    warn(
      `${entity_type} goes to and fro: a trigger of the POS sets ${named} whenever a row comes in; ${entity_id.slice(0, 80)} was sent ${count(times, 'time')} within ${age(within_ms)}${others}, edited by nobody here`,
      'Every round costs the line and the disk, at the other outlets too, and an edit of such a row in the shop may lose against it.',
      `entities.${entity_type}.local: ${listed([...local, ...anew])}   # in syncd.yaml, then sudo systemctl reload syncd; or keep the trigger from firing: WHEN (current_user <> 'syncd')`,
    ),
  ];
}

const namedLocal = (entity: EntitySettings | undefined): string[] => (entity?.local ?? []).map(columnName);

/** As the configuration wants it, whose names are SQL's, in YAML, which has words of its own. */
function listed(names: string[]): string {
  const plain = /^(?!(true|false|null)$)[a-z_][a-z0-9_]*$/;
  const quoted = (name: string) => `'"${name.replaceAll('"', '""').replaceAll("'", "''")}"'`;
  return `[${names.map((name) => (plain.test(name) ? name : quoted(name))).join(', ')}]`;
}
