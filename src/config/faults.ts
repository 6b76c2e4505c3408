/**
 * What is wrong with a configuration, in words: where it stands, what was given, what is allowed. A fault never shows a
 * secret, and none hides another: they are collected and thrown together.
 */
import { SyncError } from '../errors.js';

export type Fault = {
  /** The file with its line, or the variable that brought the value. */
  where: string;
  /** `sync.retry.max_backoff`; empty for the file as a whole. */
  path: string;
  problem: string;
};

/** Carries the single faults beside the text that is made of them. */
export class ConfigurationError extends SyncError {
  readonly faults: Fault[];
  readonly file: string;

  constructor(file: string, faults: Fault[], hint: string) {
    const lines = faults.map(lineOf);
    const [only] = lines;
    const message = lines.length === 1 ? `configuration: ${only}` : `configuration: ${lines.length} faults in ${file}`;
    super('configuration', lines.length === 1 ? message : [message, ...lines.map((line) => `  ${line}`)].join('\n'), {
      hint,
    });
    this.faults = faults;
    this.file = file;
  }
}

export function lineOf(fault: Fault): string {
  return [fault.where, fault.path, fault.problem].filter((part) => part !== '').join(': ');
}

/** Fields whose value nobody sees: a shown one is `***`, a URL loses its password only. */
const SECRET = /(^|[._])(api_key|token|secret|secrets|password)$/;

function isSecret(path: string): boolean {
  return SECRET.test(path);
}

/** A value fit for a screen. Sections and lists are named by their kind: what is nested in them might be a secret. */
export function shown(path: string, value: unknown): string {
  if (isSecret(path) && value !== undefined && value !== null) return '***';
  if (typeof value === 'string') return `"${shortened(withoutPasswords(value))}"`;
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return value.every(isPlain) ? `[${value.map((v) => shown(path, v)).join(', ')}]` : 'a list';
  return typeof value === 'object' ? 'a section' : String(value);
}

function shortened(value: string): string {
  return value.length > 200 ? `${value.slice(0, 200)}…` : value;
}

function isPlain(value: unknown): boolean {
  return typeof value !== 'object' || value === null;
}

/** `postgres://u:***@h/db`: a text with the passwords of its URLs hidden, also of URLs that are malformed. */
function withoutPasswords(value: string): string {
  return value
    .replaceAll(/([a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):.*@/gi, '$1:***@')
    .replaceAll(/([?&\s](?:password|sslpassword)=)[^&\s]*/gi, '$1***')
    .replaceAll(/^(password=)\S*/gi, '$1***');
}

/** The candidate that `name` is a slip of the pen for; undefined where none is close. */
export function nearest(name: string, candidates: string[]): string | undefined {
  const scored = candidates.map((candidate) => ({ candidate, steps: distance(name.toLowerCase(), candidate) }));
  const best = scored.sort((a, b) => a.steps - b.steps)[0];
  return best && best.steps <= Math.max(1, Math.floor(best.candidate.length / 3)) ? best.candidate : undefined;
}

/** Edits (insert, delete, replace, swap of neighbours) from one word to the other: optimal string alignment. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let steps = Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, (row[j - 1] ?? 0) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        steps = Math.min(steps, (before[j - 2] ?? 0) + 1);
      next.push(steps);
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}
