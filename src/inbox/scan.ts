/**
 * Takes a JSON text apart without reading what it means: finds where each value of the upper levels begins and ends, so that a
 * row can travel on as the text that it is. Pure, strict (RFC 8259), one walk from left to right without recursion, so neither
 * length nor depth of a stranger's text can harm: time and memory grow with its length alone.
 *
 * A text that is not JSON has no spans at all. One that is JSON, but holds something that must not be taken (a key twice, text
 * that PostgreSQL cannot hold, nesting without end), keeps its spans, and the innermost listed one carries the *flaw*.
 * The text has to come from UTF-8 that was checked: then only an escape can make half of a surrogate pair.
 */
import type { Flaw, Kind, Span } from './span.js';

export type Scanned = { root: Span } | { fault: string; at: number };

/** Values that stand deeper than this inside one another are a flaw: PostgreSQL's own parser recurses. */
export const MAX_DEPTH = 200;
/** Bounds the memory that a text of empty little things could claim: a page has a dozen parts for a change. */
const MAX_PARTS = 250_000;
const MAX_KEYS = 100_000;

/** @param levels how deep values are listed: 0 the root alone, 1 its parts too, and so on */
export function scan(text: string, levels: number): Scanned {
  const scanner = new Scanner(text, levels);
  try {
    return { root: scanner.run() };
  } catch (error) {
    if (error instanceof NotJson) return { fault: error.message, at: scanner.at };
    throw error;
  }
}

class NotJson extends Error {}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const LITERALS = ['true', 'false', 'null'] as const;
const ESCAPABLE = new Set([...'"\\/bfnrt'].map((char) => char.charCodeAt(0)));

class Scanner {
  at = 0;
  readonly #text: string;
  readonly #levels: number;
  /** What is open, outermost first: the code that closes it. */
  #closers = new Uint8Array(256);
  #depth = 0;
  /** The listed span that is being read on each level. */
  readonly #spans: Span[] = [];
  /** The keys met so far in the open object of each depth. */
  readonly #keys: Set<string>[] = [];
  /** The key of the value that comes next. */
  #key = '';
  #parts = 0;

  constructor(text: string, levels: number) {
    this.#text = text;
    this.#levels = levels;
  }

  run(): Span {
    this.#blank();
    for (;;) {
      if (this.#begin()) continue;
      // A value has ended, and perhaps what it stands in.
      for (;;) {
        if (this.#depth <= this.#levels) (this.#spans[this.#depth] as Span).end = this.at;
        this.#blank();
        if (this.#depth === 0) return this.#finish();
        const closer = this.#closers[this.#depth - 1];
        const code = this.#text.charCodeAt(this.at);
        if (code === COMMA) {
          this.at++;
          this.#blank();
          if (closer === CLOSE_OBJECT) this.#readKey();
          break;
        }
        if (code !== closer) this.#fail();
        this.at++;
        this.#depth--;
      }
    }
  }

  /** Reads the beginning of a value; true: it opened something that is not empty, and another value comes. */
  #begin(): boolean {
    const code = this.#text.charCodeAt(this.at);
    switch (code) {
      case OPEN_OBJECT:
      case OPEN_ARRAY:
        return this.#open(code);
      case QUOTE:
        this.#list('string');
        this.#string();
        return false;
      default:
        this.#scalar(code);
        return false;
    }
  }

  #open(code: number): boolean {
    const isObject = code === OPEN_OBJECT;
    this.#list(isObject ? 'object' : 'array');
    if (this.#depth === this.#closers.length) {
      const wider = new Uint8Array(this.#depth * 2);
      wider.set(this.#closers);
      this.#closers = wider;
    }
    const closer = isObject ? CLOSE_OBJECT : CLOSE_ARRAY;
    this.at++;
    this.#blank();
    if (this.#text.charCodeAt(this.at) === closer) {
      this.at++;
      return false;
    }
    this.#closers[this.#depth] = closer;
    this.#depth++;
    if (this.#depth > MAX_DEPTH) this.#spoil('nested too deep', this.#depth);
    if (isObject) {
      const keys = this.#keys[this.#depth];
      if (keys) keys.clear();
      else if (this.#depth <= MAX_DEPTH) this.#keys[this.#depth] = new Set();
      this.#readKey();
    }
    return true;
  }

  #readKey(): void {
    if (this.#text.charCodeAt(this.at) !== QUOTE) this.#fail();
    const start = this.at;
    const escaped = this.#string(this.#depth - 1);
    const literal = this.#text.slice(start + 1, this.at - 1);
    this.#key = escaped ? (JSON.parse(`"${literal}"`) as string) : literal;
    const keys = this.#keys[this.#depth];
    if (keys && keys.size >= MAX_KEYS) this.#spoil('an object has too many keys', this.#depth - 1);
    else if (keys) {
      const known = keys.size;
      keys.add(this.#key);
      if (keys.size === known) this.#spoil('a key stands twice', this.#depth - 1);
    }
    this.#blank();
    if (this.#text.charCodeAt(this.at) !== COLON) this.#fail();
    this.at++;
    this.#blank();
  }

  /** Begins a span, where this level is listed. */
  #list(kind: Kind): void {
    if (this.#depth > this.#levels) return;
    if (++this.#parts > MAX_PARTS) throw new NotJson(`it has more than ${MAX_PARTS} parts`);
    const listsParts = this.#depth < this.#levels;
    const span: Span = {
      kind,
      start: this.at,
      end: this.at,
      flaw: undefined,
      members: listsParts && kind === 'object' ? new Map() : undefined,
      items: listsParts && kind === 'array' ? [] : undefined,
    };
    this.#spans[this.#depth] = span;
    if (this.#depth === 0) return;
    const parent = this.#spans[this.#depth - 1] as Span;
    if (parent.members) parent.members.set(this.#key, span);
    else parent.items?.push(span);
  }

  /** Notes a flaw of what stands at this depth, with the innermost listed span around it. */
  #spoil(flaw: Flaw, depth = this.#depth): void {
    const span = this.#spans[Math.min(depth, this.#levels)] as Span;
    // Nesting outweighs the rest: such a text cannot even be stored.
    if (span.flaw === undefined || flaw === 'nested too deep') span.flaw = flaw;
  }

  /** Reads a string; true: it holds escapes. @param depth of whom a flaw in it is */
  #string(depth = this.#depth): boolean {
    const text = this.#text;
    let escaped = false;
    let at = this.at + 1;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) break;
      if (code === BACKSLASH) {
        escaped = true;
        this.at = at;
        this.#escape(depth);
        at = this.at;
      } else if (code >= 0x20) {
        at++;
      } else {
        // Bare control characters, and the end of the text (NaN).
        this.at = at;
        this.#fail();
      }
    }
    this.at = at + 1;
    return escaped;
  }

  #escape(depth: number): void {
    const code = this.#text.charCodeAt(this.at + 1);
    if (code !== 0x75) {
      if (!ESCAPABLE.has(code)) this.#fail();
      this.at += 2;
      return;
    }
    const unit = this.#unit();
    if (unit === 0) this.#spoil('a text holds U+0000', depth);
    else if (unit >= 0xdc00 && unit <= 0xdfff) this.#spoil('a text holds half of a character', depth);
    else if (unit >= 0xd800 && unit <= 0xdbff) {
      const pairs =
        this.#text.startsWith('\\u', this.at) && /^[dD][c-fC-F]/.test(this.#text.slice(this.at + 2, this.at + 4));
      if (pairs) this.#unit();
      else this.#spoil('a text holds half of a character', depth);
    }
  }

  /** Reads `\uXXXX`. */
  #unit(): number {
    const digits = this.#text.slice(this.at + 2, this.at + 6);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) this.#fail();
    this.at += 6;
    return Number.parseInt(digits, 16);
  }

  #scalar(code: number): void {
    for (const literal of LITERALS) {
      if (code === literal.charCodeAt(0) && this.#text.startsWith(literal, this.at)) {
        this.#list(literal);
        this.at += literal.length;
        return;
      }
    }
    this.#list('number');
    if (code === 0x2d) this.at++;
    if (this.#text.charCodeAt(this.at) === 0x30) this.at++;
    else this.#digits();
    if (this.#text.charCodeAt(this.at) === 0x2e) {
      this.at++;
      this.#digits();
    }
    const exponent = this.#text.charCodeAt(this.at);
    if (exponent === 0x65 || exponent === 0x45) {
      this.at++;
      const sign = this.#text.charCodeAt(this.at);
      if (sign === 0x2b || sign === 0x2d) this.at++;
      this.#digits();
    }
  }

  /** At least one digit. */
  #digits(): void {
    const start = this.at;
    for (;;) {
      const code = this.#text.charCodeAt(this.at);
      if (!(code >= 0x30 && code <= 0x39)) break;
      this.at++;
    }
    if (this.at === start) this.#fail();
  }

  #blank(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.at++;
    }
  }

  #finish(): Span {
    if (this.at !== this.#text.length) this.#fail();
    return this.#spans[0] as Span;
  }

  #fail(): never {
    const found = this.at >= this.#text.length ? 'the text ends too early' : 'it breaks off';
    throw new NotJson(`not JSON: ${found} at character ${Math.min(this.at, this.#text.length)}`);
  }
}
