/**
 * Where a JSON value stands in a text, as inbox/scan has found it, and how its meaning is read where it is wanted: texts and
 * numbers of the envelope, never those of a row. Pure.
 */

export type Kind = 'object' | 'array' | 'string' | 'number' | 'true' | 'false' | 'null';
export type Flaw =
  | 'a key stands twice'
  | 'a text holds U+0000'
  | 'a text holds half of a character'
  | 'an object has too many keys'
  | 'nested too deep';

export type Span = {
  kind: Kind;
  /** `text.slice(start, end)` is the value's own text. */
  start: number;
  end: number;
  /** The first flaw inside, or that it is too deep; flaws of listed parts stand with those. */
  flaw: Flaw | undefined;
  /** The listed parts of an object, by decoded key; of doubled keys the last. */
  members: Map<string, Span> | undefined;
  /** The listed parts of an array. */
  items: Span[] | undefined;
};

/** The first flaw in a span, its listed parts included. */
export function flawIn(span: Span): Flaw | undefined {
  const open = [span];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next.flaw) return next.flaw;
    if (next.members) open.push(...next.members.values());
    for (const item of next.items ?? []) open.push(item);
  }
  return undefined;
}

/** The value's own text. */
export function rawText(text: string, span: Span): string {
  return text.slice(span.start, span.end);
}

/** The text that a string spells, without what PostgreSQL cannot hold; undefined where the value is no string. */
export function stringIn(text: string, span: Span | undefined): string | undefined {
  if (span?.kind !== 'string') return undefined;
  const literal = rawText(text, span);
  const value = literal.includes('\\') ? (JSON.parse(literal) as string) : literal.slice(1, -1);
  return span.flaw === undefined ? value : value.replaceAll('\u0000', '\ufffd');
}
