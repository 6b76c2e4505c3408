/**
 * Slices JSON text without reading its numbers: `30.10` stays `30.10` and a 30-digit numeric keeps its digits. Works on text
 * that JSON.parse has already taken, so it only has to find where values begin and end.
 */
const STRUCTURE = /["{}[\]]/g;
const LITERAL_END = /[\s,\]}]|$/g;

/** A value's place in the text: from its first character up to, not including, `end`. */
export type Span = { start: number; end: number };

function afterSpace(text: string, at: number): number {
  for (;;) {
    const code = text.charCodeAt(at);
    if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return at;
    at++;
  }
}

/** The place after the string that opens at `at`. */
function afterString(text: string, at: number): number {
  for (;;) {
    at = text.indexOf('"', at + 1);
    let slashes = 0;
    while (text.charCodeAt(at - 1 - slashes) === 92) slashes++;
    if (slashes % 2 === 0) return at + 1;
  }
}

function afterValue(text: string, at: number): number {
  const first = text[at];
  if (first === '"') return afterString(text, at);
  if (first !== '{' && first !== '[') {
    LITERAL_END.lastIndex = at;
    return LITERAL_END.exec(text)?.index ?? text.length;
  }
  let depth = 1;
  let next = at + 1;
  while (depth > 0) {
    STRUCTURE.lastIndex = next;
    const found = STRUCTURE.exec(text);
    if (found === null) return text.length;
    next = found.index + 1;
    if (found[0] === '"') next = afterString(text, found.index);
    else if (found[0] === '{' || found[0] === '[') depth++;
    else depth--;
  }
  return next;
}

/** Every member of the object that opens at `at`, in order; a name that stands twice comes twice. */
export function* membersOf(text: string, at: number): Generator<Span & { name: string }> {
  at = afterSpace(text, afterSpace(text, at) + 1);
  while (text[at] === '"') {
    const nameEnd = afterString(text, at);
    const quoted = text.slice(at, nameEnd);
    const name = quoted.includes('\\') ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
    const start = afterSpace(text, afterSpace(text, nameEnd) + 1);
    const end = afterValue(text, start);
    yield { name, start, end };
    at = afterSpace(text, end);
    if (text[at] === ',') at = afterSpace(text, at + 1);
  }
}

/** Every element of the array that opens at `at`. */
export function* elementsOf(text: string, at: number): Generator<Span> {
  at = afterSpace(text, afterSpace(text, at) + 1);
  while (at < text.length && text[at] !== ']') {
    const end = afterValue(text, at);
    yield { start: at, end };
    at = afterSpace(text, end);
    if (text[at] === ',') at = afterSpace(text, at + 1);
  }
}

/**
 * A member of a row as the text that a key column would have: a string's characters, a number's digits as written, null where
 * it is null, missing or no scalar.
 */
export function scalarOf(row: string, column: string): string | null {
  let found: string | null = null;
  for (const { name, start, end } of membersOf(row, 0)) {
    if (name !== column) continue;
    const raw = row.slice(start, end);
    if (raw.startsWith('"')) found = JSON.parse(raw) as string;
    else found = raw === 'null' || raw.startsWith('{') || raw.startsWith('[') ? null : raw;
  }
  return found;
}

/** Whether the text is JSON for an object. */
export function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

export function namesOf(row: string): string[] {
  return [...membersOf(row, 0)].map(({ name }) => name);
}

/** Lays the members of `patch` over `row`: in place where the row has them, else behind the others. Every digit stays. */
export function layOver(row: string, patch: string): string {
  const news = new Map([...membersOf(patch, 0)].map(({ name, start, end }) => [name, patch.slice(start, end)]));
  let text = '';
  let from = 0;
  let members = 0;
  for (const { name, start, end } of membersOf(row, 0)) {
    members++;
    const value = news.get(name);
    if (value === undefined) continue;
    text += row.slice(from, start) + value;
    from = end;
    news.delete(name);
  }
  const end = row.lastIndexOf('}');
  text += row.slice(from, end).trimEnd();
  for (const [name, value] of news) text += `${members++ === 0 ? '' : ','}${JSON.stringify(name)}:${value}`;
  return `${text}}`;
}
