/**
 * Makes the settings: flag over environment over secret files over syncd.yaml over defaults, validated as a whole. Every fault
 * is reported at once, where it stands, without a secret in it. Nothing is changed by loading.
 */
import type { z } from 'zod';
import { findContradictions } from './contradictions.js';
import { withCredentials } from './credentials.js';
import { type Document, findFile, readDocument } from './document.js';
import { ConfigurationError, type Fault, nearest, shown } from './faults.js';
import { hiddenSockets } from './hidden-sockets.js';
import { defaultsBeside, environmentLeaves, isTree, type Leaf, lay, leavesOf, type Tree } from './layers.js';
import { type Configuration, configuration, keysAt, SECTIONS } from './schema.js';
import { checkSecretFiles, credentialFiles } from './secret-files.js';
import { fetchSecrets, readCertificates, type SecretUse } from './secrets.js';
import type { Settings } from './settings.js';

export type LoadOptions = {
  /** From --config; else $SYNCD_CONFIG, ./syncd.yaml, /etc/syncd/syncd.yaml. */
  file?: string | undefined;
  env?: NodeJS.ProcessEnv;
  /** What becomes of the cloud's secrets; default `needed`. Commands that only ask the database leave them. */
  secrets?: SecretUse;
  /** Values from flags, by path, `{'log.level': 'debug'}`. */
  flags?: Record<string, unknown>;
};

export type LoadedSettings = {
  settings: Settings;
  file: string;
  /** Every value and where it came from, in the order of the schema; for people, so secrets are `***` already. */
  origins: { path: string; value: string; source: string }[];
  warnings: string[];
  /** What no log line may contain. */
  secrets: string[];
};

/** @throws ConfigurationError with every fault; SyncError `configuration` when there is no file to read. */
export function loadSettings(options: LoadOptions = {}): LoadedSettings {
  const document = readDocument(findFile(options.file, options.env ?? process.env));
  const env = withCredentials(options.env ?? process.env, document.file);
  const hint = `Nothing was changed. Correct ${document.file} and check it with: syncd config`;
  if (document.faults.length > 0) throw new ConfigurationError(document.file, document.faults, hint);
  const file = document.value as Tree;

  const fromFile = leavesOf(file, (path) => document.where(path));
  const fromEnv = environmentLeaves(env);
  const secrets = fetchSecrets(
    lay([...fromFile, ...fromEnv.leaves]).tree,
    env,
    options.secrets ?? 'needed',
    document.where,
  );
  const stateDir = env.STATE_DIRECTORY?.split(':')[0];
  const { tree, sources } = lay([
    { path: ['state_dir'], value: stateDir || '/var/lib/syncd', source: stateDir ? '$STATE_DIRECTORY' : 'default' },
    ...defaultsBeside(file),
    ...fromFile,
    ...secrets.leaves,
    ...credentialFiles(file, env),
    ...fromEnv.leaves,
    ...Object.entries(options.flags ?? {}).map(([path, value]) => ({ path: path.split('.'), value, source: 'flag' })),
  ]);

  const place = (path: (string | number)[]) => placeOf(path, sources, document);
  const checked = configuration.safeParse(tree, { reportInput: true });
  const faults: Fault[] = [...secrets.faults];
  for (const issue of checked.error?.issues ?? []) faults.push(...faultsOf(issue, place));
  for (const { path, problem } of findContradictions(tree))
    faults.push({ where: place(path), path: path.join('.'), problem });
  if (
    checked.success &&
    options.secrets !== 'left' &&
    checked.data.cloud.api_key === undefined &&
    secrets.faults.length === 0
  ) {
    if (options.secrets !== 'shown')
      faults.push({ where: place(['cloud']), path: 'cloud.api_key_file', problem: NO_KEY });
  }
  const ca = checked.data?.cloud.ca_file;
  const certificates = ca !== undefined && options.secrets !== 'left' ? readCertificates(ca) : undefined;
  if (certificates && 'problem' in certificates) {
    faults.push({ where: place(['cloud', 'ca_file']), path: 'cloud.ca_file', problem: certificates.problem });
  }
  const use = options.secrets ?? 'needed';
  const files = use === 'left' ? undefined : checkSecretFiles(tree, env, use, place);
  faults.push(...(files?.faults ?? []));
  if (!checked.success || faults.length > 0) throw new ConfigurationError(document.file, sorted(faults), hint);
  const settings = toSettings(checked.data, certificates && 'pem' in certificates ? certificates.pem : undefined);
  return {
    settings,
    file: document.file,
    origins: originsOf(sources, tree),
    warnings: [
      ...fromEnv.warnings,
      ...secrets.warnings,
      ...(files?.warnings ?? []),
      ...exposed(document, fromFile),
      ...hiddenSockets(settings.database.urls, document.file),
    ],
    secrets: [...secretsOf(checked.data), ...(files?.secrets ?? [])],
  };
}

const NO_KEY =
  'no API key: name a file with it here, set $SYNCD_CLOUD_API_KEY, or give systemd the credential cloud_api_key';

function placeOf(path: (string | number)[], sources: Map<string, Leaf>, document: Document): string {
  const source = sources.get(path.join('.'))?.source;
  return source && source !== 'default' ? source : document.where(path);
}

function faultsOf(issue: z.core.$ZodIssue, place: (path: (string | number)[]) => string): Fault[] {
  const path = issue.path as (string | number)[];
  const name = path.join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      where: place([...path, key]),
      path: [...path, isWord(key) ? key : '…'].join('.'),
      problem: isWord(key) ? `unknown key${suggestion(path, key)}` : NO_WORD,
    }));
  }
  const takes = ['custom', 'invalid_union'].includes(issue.code ?? '')
    ? issue.message
    : 'a section with keys of its own';
  if (issue.input === undefined) return [{ where: place(path), path: name, problem: `is missing; it takes ${takes}` }];
  if (issue.input === null) return [{ where: place(path), path: name, problem: `is empty; it takes ${takes}` }];
  const given = issue.code === 'custom' ? givenAt(name, issue.input) : 'what is given';
  return [{ where: place(path), path: name, problem: `${given} is not allowed; it takes ${takes}` }];
}

/** A text with a comma, unquoted in braces, ends as a key; it may be the second half of a password. */
const NO_WORD = 'a key that is no word; put quotes around a text with a comma or a colon in it';

function isWord(key: string): boolean {
  return /^[A-Za-z_][\w-]{0,40}$/.test(key);
}

/** A database URL that cannot be read may have its password anywhere: nothing but its scheme is shown. */
function givenAt(name: string, value: unknown): string {
  if (name !== 'database.url') return shown(name, value);
  const scheme = typeof value === 'string' ? /^[a-z][a-z0-9+.-]*:\/\//i.exec(value)?.[0] : undefined;
  return scheme ? `"${scheme}…"` : 'what is given';
}

function suggestion(path: (string | number)[], key: string): string {
  const here = keysAt(path);
  const near = nearest(key, here);
  if (near) return `; did you mean "${near}"?`;
  const elsewhere = SECTIONS.find((section) => keysAt(section).includes(key));
  if (elsewhere)
    return elsewhere.length > 0 ? `; it belongs under ${elsewhere.join('.')}` : '; it belongs at the top, unindented';
  return here.length > 0 ? `; known here: ${here.join(', ')}` : '';
}

/** In the order of the file; what has no line comes first. */
function sorted(faults: Fault[]): Fault[] {
  const lineOf = (fault: Fault) => Number(/:(\d+)$/.exec(fault.where)?.[1] ?? 0);
  return [...faults].sort((a, b) => lineOf(a) - lineOf(b));
}

function exposed(document: Document, leaves: Leaf[]): string[] {
  const has = (path: string, test: (value: string) => boolean) =>
    leaves.some(
      (leaf) =>
        leaf.path.join('.') === path && [leaf.value].flat().some((value) => typeof value === 'string' && test(value)),
    );
  const secret = has('cloud.api_key', () => true) || has('database.url', (url) => passwordOf(url) !== undefined);
  return secret && document.readableByAll
    ? [`${document.file} holds a secret and can be read by every user; chmod o= ${document.file}`]
    : [];
}

/** In the order of the schema, entities in the order of the file. */
function originsOf(sources: Map<string, Leaf>, tree: Tree): LoadedSettings['origins'] {
  const rank = ({ path }: Leaf) =>
    path.map((step, depth) => {
      const known = keysAt(path.slice(0, depth));
      return (known.length > 0 ? known : Object.keys((tree[path[0] as string] as Tree | undefined) ?? {})).indexOf(
        step,
      );
    });
  const ranked = [...sources.values()].map((leaf) => ({ leaf, rank: rank(leaf) }));
  ranked.sort((a, b) => {
    const depth = a.rank.findIndex((place, i) => place !== b.rank[i]);
    return depth < 0 ? 0 : (a.rank[depth] ?? 0) - (b.rank[depth] ?? 0);
  });
  return ranked.map(({ leaf: { path, value, source } }) => ({
    path: path.join('.'),
    value: printed(path.join('.'), value),
    source,
  }));
}

/** As the file would say it, on one line, secrets as `***`. */
function printed(path: string, value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => printed(path, item)).join(', ')}]`;
  // A hook's URL often carries its token in the path.
  if (path === 'alerts.send') return '***';
  if (isTree(value)) return '{}';
  return shown(path, value).replace(/^"(.*)"$/, '$1');
}

function secretsOf(config: Configuration): string[] {
  const passwords = config.database.url.map(passwordOf);
  const hooks = config.alerts.send.flatMap((target) => ('url' in target ? [target.url] : []));
  return [config.cloud.api_key, ...passwords, ...hooks].filter((secret) => secret !== undefined);
}

function passwordOf(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const { password, searchParams } = new URL(url);
  return decodeURIComponent(password) || searchParams.get('password') || undefined;
}

function toSettings(config: Configuration, ca: string | undefined): Settings {
  const { outlet, cloud, sync, alerts, retention, disk, webhook, admin } = config;
  return {
    outlet: { id: outlet.id, code: outlet.code, timezone: outlet.timezone },
    database: { urls: config.database.url },
    state_dir: config.state_dir,
    cloud: { url: cloud.url, timeoutMs: cloud.timeout, apiKey: cloud.api_key, compression: cloud.compression, ca },
    sync: {
      enabled: sync.enabled,
      intervalMs: sync.interval,
      longPollMs: sync.long_poll,
      since: sync.since,
      conflict: sync.conflict,
      retry: {
        maxRetries: sync.retry.max_retries,
        initialBackoffMs: sync.retry.initial_backoff,
        maxBackoffMs: sync.retry.max_backoff,
        multiplier: sync.retry.multiplier,
      },
    },
    entities: new Map(
      Object.entries(config.entities).map(([name, entity]) => [
        name,
        {
          ...entity,
          key: entity.key,
          conflict: entity.conflict,
          date_field: entity.date_field,
          money_field: entity.money_field,
        },
      ]),
    ),
    webhook: webhook && {
      listen: webhook.listen,
      profile: webhook.profile,
      secretsFile: webhook.secrets_file,
      allowIps: webhook.allow_ips,
      trustedProxies: webhook.trusted_proxies,
    },
    admin: {
      listen: admin.listen,
      tokenFile: admin.token_file,
      readTokenFile: admin.read_token_file,
      hosts: admin.hosts,
    },
    capture: config.capture,
    alerts: {
      failureRate: alerts.failure_rate,
      windowMs: alerts.window,
      oldestPendingMs: alerts.oldest_pending,
      offlineMs: alerts.offline,
      send: alerts.send,
    },
    retention: { queueMs: retention.queue, logsMs: retention.logs },
    disk: disk && { path: disk.path, warnMs: disk.warn, floorBytes: disk.floor },
    log: { level: config.log.level, format: config.log.format },
  };
}
