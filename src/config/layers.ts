/**
 * Lays the sources of the configuration over each other: defaults, file, secrets, environment, flags, the later over the
 * earlier, and remembers for every value where it came from. Knows paths and texts, not what they mean. Pure.
 */
import { nearest } from './faults.js';

export type Tree = { [key: string]: unknown };

/** One value from one source, in the words of `syncd config`: `/etc/syncd/syncd.yaml:12`, `$DATABASE_URL`, `default`. */
export type Leaf = { path: string[]; value: unknown; source: string };

/** What holds where nobody says otherwise, written as the file would write it. */
const DEFAULTS: Tree = {
  outlet: { timezone: 'UTC' },
  cloud: { timeout: '30s', compression: 'auto' },
  sync: {
    enabled: true,
    interval: '30s',
    long_poll: '25s',
    conflict: 'newest_wins',
    retry: { max_retries: 3, initial_backoff: '1m', max_backoff: '30m', multiplier: 2 },
  },
  admin: { listen: '127.0.0.1:8421', hosts: [] },
  alerts: { failure_rate: '5%', window: '15m', oldest_pending: '5m', offline: '30m', send: [] },
  retention: { queue: '30d', logs: '30d' },
  capture: { notify: 'gate', on_error: 'continue' },
  log: { level: 'info' },
};
/** What holds in a section that is only there when somebody writes it. */
const SECTION_DEFAULTS: Record<string, Tree> = {
  webhook: { listen: '0.0.0.0:8420', profile: 'auto', trusted_proxies: [] },
  disk: { path: '/var/lib/postgresql', warn: '14d', floor: '1GB' },
};
const ENTITY_DEFAULTS: Tree = {
  direction: 'push',
  merge_fallback: 'manual',
  exclude: [],
  coalesce: false,
  delta: [],
  local: [],
  also_writes: [],
};

/** The defaults that apply beside what a file says. */
export function defaultsBeside(file: Tree): Leaf[] {
  const trees = [DEFAULTS];
  for (const [section, defaults] of Object.entries(SECTION_DEFAULTS)) {
    if (isTree(file[section])) trees.push({ [section]: defaults });
  }
  const entities = isTree(file.entities) ? Object.entries(file.entities) : [];
  trees.push({
    entities: Object.fromEntries(
      entities.filter(([, entity]) => isTree(entity)).map(([name]) => [name, ENTITY_DEFAULTS]),
    ),
  });
  return trees.flatMap((tree) => leavesOf(tree, () => 'default'));
}

export function leavesOf(tree: Tree, source: (path: string[]) => string, above: string[] = []): Leaf[] {
  return Object.entries(tree).flatMap(([key, value]) => {
    const path = [...above, key];
    return isTree(value) && Object.keys(value).length > 0
      ? leavesOf(value, source, path)
      : [{ path, value, source: source(path) }];
  });
}

/** Variables of the environment and the fields they set; the name is the path, `SYNCD_SYNC_RETRY_MAX_RETRIES` say. */
const VARIABLES = new Map(
  [
    ['outlet.id', 'outlet.code', 'outlet.timezone', 'database.url', 'database.url_file', 'state_dir'],
    ['cloud.url', 'cloud.timeout', 'cloud.api_key', 'cloud.api_key_file', 'cloud.compression', 'cloud.ca_file'],
    ['sync.enabled', 'sync.interval', 'sync.long_poll', 'sync.since', 'sync.conflict'],
    ['sync.retry.max_retries', 'sync.retry.initial_backoff', 'sync.retry.max_backoff', 'sync.retry.multiplier'],
    ['admin.listen', 'admin.token_file', 'admin.read_token_file'],
    ['alerts.failure_rate', 'alerts.window', 'alerts.oldest_pending', 'alerts.offline'],
    ['retention.queue', 'retention.logs', 'capture.notify', 'capture.on_error', 'log.level', 'log.format'],
  ]
    .flat()
    .map((path) => [`SYNCD_${path.replaceAll('.', '_').toUpperCase()}`, path.split('.')]),
);
/** Fields that are not texts: what a variable says about them is read as YAML would read it. */
const NUMBERS = /^sync\.retry\.(max_retries|multiplier)$/;
const BOOLEANS = /^sync\.enabled$/;

export function environmentLeaves(env: NodeJS.ProcessEnv): { leaves: Leaf[]; warnings: string[] } {
  const leaves: Leaf[] = [];
  const warnings: string[] = [];
  if (env.DATABASE_URL) leaves.push({ path: ['database', 'url'], value: env.DATABASE_URL, source: '$DATABASE_URL' });
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('SYNCD_') || name === 'SYNCD_CONFIG' || value === undefined || value === '') continue;
    const path = VARIABLES.get(name);
    if (path) leaves.push({ path, value: typed(path.join('.'), value), source: `$${name}` });
    else warnings.push(unknownVariable(name));
  }
  return { leaves, warnings };
}

/** A warning, not a fault: container platforms put variables of their own beside ours (SYNCD_SERVICE_HOST). */
function unknownVariable(name: string): string {
  const near = nearest(
    name.toLowerCase(),
    [...VARIABLES.keys()].map((known) => known.toLowerCase()),
  );
  return `$${name} sets nothing${near ? `; did you mean $${near.toUpperCase()}?` : ''}`;
}

function typed(path: string, value: string): unknown {
  if (NUMBERS.test(path) && /^-?\d+(\.\d+)?$/.test(value)) return Number(value);
  if (BOOLEANS.test(path) && /^(true|false)$/.test(value)) return value === 'true';
  return value;
}

/** One tree of all leaves, the later over the earlier. A leaf whose section is something else already replaces that. */
export function lay(leaves: Leaf[]): { tree: Tree; sources: Map<string, Leaf> } {
  const tree: Tree = {};
  const sources = new Map<string, Leaf>();
  for (const leaf of leaves) {
    let section = tree;
    for (const step of leaf.path.slice(0, -1)) {
      const inner = Object.hasOwn(section, step) ? section[step] : undefined;
      if (isTree(inner)) section = inner;
      else section = define(section, step, {}) as Tree;
    }
    const last = leaf.path.at(-1) as string;
    // An empty section says nothing, least of all that the defaults below it do not hold.
    if (isTree(leaf.value) && isTree(section[last])) continue;
    define(section, last, leaf.value);
    sources.set(leaf.path.join('.'), leaf);
  }
  return { tree, sources };
}

/** Also for a key such as `__proto__`, which a plain assignment would not make a key. */
function define(section: Tree, key: string, value: unknown): unknown {
  Object.defineProperty(section, key, { value, writable: true, enumerable: true, configurable: true });
  return value;
}

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
