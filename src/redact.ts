/**
 * Keeps secrets and the shop's rows out of everything that is printed: known secrets by value, unknown ones by the name of
 * their field or the shape of a URL with a password. Pure.
 */
import { wordsOf } from './errors.js';

const SECRET_FIELD = /api[-_]?key|token|secret|passw|authorization|signature|cookie|credential/i;
/** Rows of the shop; a log names a change, never what is in it. */
const ROW_FIELD = /^(payload|previous|data|current|row|rows|body)$/;
/** A shorter one would blank out ordinary words. */
const SHORTEST = 4;

/** A text without any of `secrets`, nor the password of any URL in it. */
export function redactText(text: string, secrets: readonly string[]): string {
  let clean = text;
  for (const secret of secrets) {
    if (secret.length < SHORTEST) continue;
    for (const form of new Set([secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)])) {
      clean = clean.replaceAll(form, '***');
    }
  }
  return clean
    .replaceAll(/([a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s/]*@/gi, '$1:***@')
    .replaceAll(/([?&](?:ssl)?password=)[^&\s"']+/gi, '$1***')
    .replaceAll(/\b((?:x-api-key|authorization)["']?\s*[:=]\s*["']?(?:bearer |basic )?)[^\s"',]+/gi, '$1***');
}

/** The same for the fields of a log line, however deep; errors become their words. */
export function redactFields(
  fields: Record<string, unknown>,
  secrets: readonly string[],
  depth = 0,
): Record<string, unknown> {
  const clean: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    clean[name] =
      ROW_FIELD.test(name) && typeof value !== 'number' && typeof value !== 'boolean'
        ? '[left out]'
        : redactValue(name, value, secrets, depth);
  }
  return clean;
}

function redactValue(name: string, value: unknown, secrets: readonly string[], depth: number): unknown {
  if (SECRET_FIELD.test(name) && value !== null && typeof value !== 'boolean') return '***';
  if (typeof value === 'string') return redactText(value, secrets);
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Error) return redactText(wordsOf(value), secrets);
  if (typeof value !== 'object' || value === null) return value;
  if (depth > 4) return '…';
  if (Array.isArray(value)) return value.map((item) => redactValue('', item, secrets, depth + 1));
  return redactFields(value as Record<string, unknown>, secrets, depth + 1);
}
