/**
 * The shape of syncd.yaml: every section, every field, and beside each field the words for what it takes. Checks one field at
 * a time; what two fields say about each other is in contradictions.ts.
 */
import { z } from 'zod';
import * as read from './scalars.js';
import type { Compression, Direction, Strategy } from './settings.js';

/** A field: what it takes in words, and a reader that gives `undefined` for anything else. */
function field<T>(takes: string, reader: (raw: unknown) => T | undefined) {
  return z.unknown().transform((input, context): T => {
    const value = reader(input);
    if (value !== undefined) return value;
    context.issues.push({ code: 'custom', message: takes, input });
    return z.NEVER;
  });
}

function duration(example: string, min: string, max: string) {
  const [least, most] = [read.duration(min) as number, read.duration(max) as number];
  return field(`a duration from ${min} to ${max}, such as ${example}`, (raw) => {
    const ms = read.duration(raw);
    return ms !== undefined && ms >= least && ms <= most ? ms : undefined;
  });
}

function number(what: string, min: number, max: number, whole = false) {
  return field(`${what} from ${min} to ${max}`, (raw) =>
    typeof raw === 'number' && raw >= min && raw <= max && (!whole || Number.isInteger(raw)) ? raw : undefined,
  );
}

function oneOf<T extends string>(...words: T[]) {
  return field(`one of ${words.join(', ')}`, (raw) => words.find((word) => word === raw));
}

/** Reads every item; one bad item refuses the list. */
function list<T>(takes: string, reader: (raw: unknown) => T | undefined, least = 0) {
  return field(takes, (raw) => {
    if (!Array.isArray(raw) || raw.length < least) return undefined;
    const items = raw.map(reader);
    return items.every((item) => item !== undefined) ? (items as T[]) : undefined;
  });
}

const bool = field('true or false', (raw) => (typeof raw === 'boolean' ? raw : undefined));
const path = field('an absolute path', read.absolutePath);
const columns = list('a list of column names, such as [cost, margin]', read.text);
const column = field('a column name', read.text);
const secret = field('a text of at least 8 visible characters', (raw) => {
  const text = read.headerText(raw);
  return text && text.length >= 8 ? text : undefined;
});
const url = field('an https URL', (raw) =>
  typeof raw === 'string' && /^https:\/\/./.test(raw) && URL.canParse(raw) ? raw : undefined,
);
const listen = field('an address and a port, such as 127.0.0.1:8421', read.listen);
const strategy = oneOf<Strategy>('cloud_wins', 'local_wins', 'newest_wins', 'merge', 'manual');

const databaseUrl = field(
  'a URL such as postgres:///pos?host=/var/run/postgresql (a user beside a socket: &user=NAME), or a list of such (one host each)',
  (raw) => {
    const urls = (Array.isArray(raw) ? raw : [raw]).map(read.databaseUrl);
    return urls.length > 0 && urls.every((one) => one !== undefined) ? (urls as string[]) : undefined;
  },
);

const entity = z.strictObject({
  table: field(
    "a table, such as public.orders or '\"Tax Rates\"' (in SQL's double quotes where it has capitals, blanks or hyphens)",
    (raw) => (read.sqlPath(raw) ? (raw as string) : undefined),
  ),
  key: list(
    'a list of key columns as SQL writes them, such as [code] or [\'"Tax Code"\']',
    (raw) => (read.sqlName(raw) ? (raw as string) : undefined),
    1,
  ).optional(),
  direction: oneOf<Direction>('push', 'pull', 'both'),
  conflict: strategy.optional(),
  merge_fallback: oneOf<Strategy>('cloud_wins', 'local_wins', 'newest_wins', 'manual'),
  exclude: columns,
  coalesce: bool,
  delta: columns,
  local: columns,
  also_writes: list('a list of tables, such as [public.stock_log, \'"Audit"\']', (raw) =>
    read.sqlPath(raw) ? (raw as string) : undefined,
  ),
  date_field: column.optional(),
  money_field: column.optional(),
});

export const configuration = z.strictObject({
  outlet: z.strictObject({
    id: field('a text of visible characters (in quotes where it is made of digits)', read.headerText),
    code: field('a text, such as JKT-014', read.text).optional(),
    timezone: field('a time zone, such as Asia/Jakarta', read.timezone),
  }),
  database: z.strictObject({ url: databaseUrl, url_file: path.optional() }),
  state_dir: path,
  cloud: z.strictObject({
    url: field('an https URL without login, query or fragment (http only to this machine)', read.cloudUrl),
    timeout: duration('30s', '1s', '10m'),
    api_key: secret.optional(),
    api_key_file: path.optional(),
    compression: oneOf<Compression>('auto', 'gzip', 'br', 'none'),
    ca_file: path.optional(),
  }),
  sync: z.strictObject({
    enabled: bool,
    interval: duration('30s', '1s', '1d'),
    long_poll: duration('25s', '0s', '55s'),
    since: field('an instant with its zone, such as 2026-11-01T00:00:00Z', read.instant).optional(),
    conflict: strategy,
    retry: z.strictObject({
      max_retries: number('a whole number', 0, 100, true),
      initial_backoff: duration('1m', '100ms', '1d'),
      max_backoff: duration('30m', '100ms', '7d'),
      multiplier: number('a number', 1, 10),
    }),
  }),
  entities: z.record(z.string(), entity),
  webhook: z
    .strictObject({
      listen,
      profile: oneOf('auto', 'body', 'timestamped', 'standard'),
      secrets_file: path,
      allow_ips: list(
        "a list of addresses or networks, such as [203.0.113.0/24]; [0.0.0.0/0, '::/0'] is everybody",
        read.cidr,
        1,
      ),
      trusted_proxies: list('a list of addresses or networks', read.cidr),
    })
    .optional(),
  admin: z.strictObject({
    listen,
    token_file: path.optional(),
    read_token_file: path.optional(),
    hosts: list('a list of host names without a port, such as [till-7.local]', read.hostName),
  }),
  alerts: z.strictObject({
    failure_rate: field('a percentage, such as 5%', read.rate),
    window: duration('15m', '1m', '1d'),
    oldest_pending: duration('5m', '1s', '7d'),
    offline: duration('30m', '1s', '7d'),
    send: z.array(
      z.union([z.strictObject({ url }), z.strictObject({ command: list('a list of words', read.text, 1) })], {
        error: 'either { url: https://… } or { command: [program, word] }',
      }),
    ),
  }),
  retention: z.strictObject({ queue: duration('30d', '1h', '3650d'), logs: duration('30d', '1h', '3650d') }),
  capture: z.strictObject({ notify: oneOf('gate', 'always', 'never'), on_error: oneOf('continue', 'block') }),
  disk: z
    .strictObject({
      path,
      warn: duration('14d', '1h', '365d'),
      floor: field('a size, such as 1GB', read.size),
    })
    .optional(),
  log: z.strictObject({ level: oneOf('error', 'warn', 'info', 'debug'), format: oneOf('json', 'text').optional() }),
});

export type Configuration = z.output<typeof configuration>;

/** The keys that may stand in the section at `path`; empty where that is no section. */
export function keysAt(path: (string | number)[]): string[] {
  let schema: unknown = configuration;
  for (const step of path) {
    schema = unwrapped(schema);
    if (schema instanceof z.ZodObject) schema = schema.shape[step];
    else if (schema instanceof z.ZodRecord) schema = schema.valueType;
    else return [];
  }
  schema = unwrapped(schema);
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

/** Every section with fixed keys, as a path. */
export const SECTIONS = [
  [],
  ...Object.keys(configuration.shape).map((key) => [key]),
  ['sync', 'retry'],
  ['entities', '*'],
].filter((path) => keysAt(path).length > 0);

function unwrapped(schema: unknown): unknown {
  return schema instanceof z.ZodOptional ? schema.unwrap() : schema;
}
