/**
 * Reads one value of the configuration: durations, sizes, rates, addresses, URLs, names. Pure. Every reader gives `undefined`
 * for what it cannot take; what it would have taken stands in words beside the field in schema.ts.
 */
import { isIP } from 'node:net';

const UNITS_MS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const UNITS_BYTES: Record<string, number> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** `30s`, `1m`, `1h30m`, `0.5s` in milliseconds. */
export function duration(raw: unknown): number | undefined {
  if (typeof raw !== 'string' || !/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(raw)) return undefined;
  let ms = 0;
  for (const [, amount, unit] of raw.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    ms += Number(amount) * (UNITS_MS[unit as string] as number);
  }
  return Number.isFinite(ms) ? ms : undefined;
}

/** `1GB`, `512MiB` in bytes. */
export function size(raw: unknown): number | undefined {
  const match = typeof raw === 'string' ? /^(\d+(?:\.\d+)?) ?([KMGT]i?B|B)$/.exec(raw) : null;
  return match ? Math.round(Number(match[1]) * (UNITS_BYTES[match[2] as string] as number)) : undefined;
}

/** `5%` as 0.05. */
export function rate(raw: unknown): number | undefined {
  const match = typeof raw === 'string' ? /^(\d+(?:\.\d+)?) ?%$/.exec(raw) : null;
  const value = match ? Number(match[1]) / 100 : Number.NaN;
  return value >= 0 && value <= 1 ? value : undefined;
}

/** A text with something in it, and nothing in it that would break a header or a line. */
export function text(raw: unknown): string | undefined {
  return typeof raw === 'string' && raw.trim() !== '' && !/\p{Cc}/u.test(raw) ? raw : undefined;
}

/** A text that travels in an HTTP header. */
export function headerText(raw: unknown): string | undefined {
  return typeof raw === 'string' && /^[\x21-\x7e]{1,200}$/.test(raw) ? raw : undefined;
}

export function timezone(raw: unknown): string | undefined {
  if (typeof raw !== 'string') return undefined;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: raw }).resolvedOptions().timeZone ? raw : undefined;
  } catch {
    return undefined;
  }
}

/** An instant that means the same everywhere, as written: RFC 3339. */
export function instant(raw: unknown): string | undefined {
  const parts =
    typeof raw === 'string'
      ? /^(\d{4}-\d\d-\d\d)[Tt]([01]\d|2[0-3])(:[0-5]\d){2}(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.exec(raw)
      : null;
  if (!parts || Number.isNaN(Date.parse(raw as string))) return undefined;
  // Date.parse takes 31 June for 1 July.
  return new Date(`${parts[1]}T00:00:00Z`).toISOString().startsWith(parts[1] as string) ? (raw as string) : undefined;
}

/** A name or an address as it stands in a Host header, without a port. */
export function hostName(raw: unknown): string | undefined {
  if (typeof raw !== 'string' || raw.length > 253) return undefined;
  const bare = raw.replace(/^\[|\]$/g, '');
  return isIP(bare) !== 0 || /^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/.test(raw) ? raw.toLowerCase() : undefined;
}

function urlOf(raw: unknown): URL | undefined {
  return typeof raw === 'string' && URL.canParse(raw) ? new URL(raw) : undefined;
}

export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '');
  return bare === 'localhost' || bare === '::1' || (isIP(bare) === 4 && bare.startsWith('127.'));
}

/** https, or http to this machine; no login, no query. Without its trailing slash. */
export function cloudUrl(raw: unknown): string | undefined {
  const url = urlOf(raw);
  if (!url || url.username || url.password || url.search || url.hash) return undefined;
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname))) return undefined;
  return url.href.replace(/\/+$/, '');
}

/** A PostgreSQL URL with a database in it; pg takes one host only. */
export function databaseUrl(raw: unknown): string | undefined {
  const url = urlOf(raw);
  if (!url || (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:')) return undefined;
  if (url.pathname.length < 2 || url.hostname.includes(',')) return undefined;
  return raw as string;
}

export function absolutePath(raw: unknown): string | undefined {
  return typeof raw === 'string' && raw.startsWith('/') && !/\p{Cc}/u.test(raw) ? raw : undefined;
}

/** `0.0.0.0:8420`, `[::1]:8421`, `localhost:8421`. */
export function listen(raw: unknown): { host: string; port: number } | undefined {
  const match = typeof raw === 'string' ? /^(\[[0-9a-fA-F:.]+\]|[0-9a-zA-Z.-]+):(\d{1,5})$/.exec(raw) : null;
  const host = (match?.[1] ?? '').replace(/^\[|\]$/g, '');
  const port = Number(match?.[2]);
  if (!match || port > 65_535 || (host.includes(':') && isIP(host) !== 6)) return undefined;
  return { host, port };
}

/** An address or a network, v4 or v6. */
export function cidr(raw: unknown): string | undefined {
  const [address, bits, ...rest] = typeof raw === 'string' ? raw.split('/') : [''];
  const family = isIP(address ?? '');
  if (family === 0 || rest.length > 0) return undefined;
  if (bits !== undefined && (!/^\d{1,3}$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128))) return undefined;
  return raw as string;
}

/** What an entity may be called: it travels in URLs and stands in logs. */
export function isEntityName(name: string): boolean {
  return /^[A-Za-z][A-Za-z0-9_-]{0,62}$/.test(name);
}

/** One SQL identifier as written in SQL: unquoted names fold to lower case. Undefined where SQL would not read it as one name. */
export function sqlName(raw: unknown): string | undefined {
  const parts = sqlPath(raw);
  return parts?.length === 1 ? parts[0] : undefined;
}

/** `public.orders`, `"Tax Rates"`: the names that SQL reads in it, one or two. */
export function sqlPath(raw: unknown): string[] | undefined {
  if (typeof raw !== 'string') return undefined;
  const name = '(?:"(?:[^"\\0]|"")+"|[\\p{L}_][\\p{L}\\p{N}_$]*)';
  if (!new RegExp(`^${name}(?:\\.${name})?$`, 'u').test(raw)) return undefined;
  return [...raw.matchAll(new RegExp(name, 'gu'))].map(([part]) =>
    part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part.toLowerCase(),
  );
}
