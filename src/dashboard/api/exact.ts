/**
 * JSON that keeps its digits. A price of the shop may have more of them than a JavaScript number: what looks like a number stays
 * the text that it is, and goes back as that text. Pure.
 */

/** A number as it was written. */
export class Digits {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Exact = null | boolean | string | Digits | Exact[] | { [name: string]: Exact };

const NUMBER = /-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const STRING = /"[^"\\]*(?:\\.[^"\\]*)*"/y;
const BLANK = /[ \t\n\r]*/y;

/** @throws SyntaxError for what is no JSON */
export function parseExact(text: string): Exact {
  const reader = new Reader(text);
  const value = reader.value(0);
  reader.end();
  return value;
}

export function textOf(value: Exact): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (value instanceof Digits) return value.text;
  if (Array.isArray(value)) return `[${value.map(textOf).join(',')}]`;
  return `{${Object.entries(value)
    .map(([name, member]) => `${JSON.stringify(name)}:${textOf(member)}`)
    .join(',')}}`;
}

/** Every number a JavaScript number, for what is known to be small. */
export function plain(value: Exact): unknown {
  if (value instanceof Digits) return Number(value.text);
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]));
}

/** Deeper than any row that a person looks at, and far from the end of the stack. */
const DEEPEST = 500;

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  end(): void {
    this.#match(BLANK);
    if (this.#at < this.#text.length) this.#fail();
  }

  value(depth: number): Exact {
    if (depth > DEEPEST) this.#fail();
    this.#match(BLANK);
    const first = this.#text[this.#at];
    if (first === '{') return this.#object(depth);
    if (first === '[') return this.#array(depth);
    if (first === '"') return this.#string();
    for (const [word, value] of [
      ['null', null],
      ['true', true],
      ['false', false],
    ] as const) {
      if (!this.#text.startsWith(word, this.#at)) continue;
      this.#at += word.length;
      return value;
    }
    return new Digits(this.#match(NUMBER) ?? this.#fail());
  }

  #object(depth: number): Exact {
    const members: [string, Exact][] = [];
    this.#list('}', () => {
      this.#match(BLANK);
      const name = this.#string();
      this.#match(BLANK);
      if (this.#text[this.#at++] !== ':') this.#fail();
      members.push([name, this.value(depth + 1)]);
    });
    // Not by assignment: a column may be called __proto__.
    return Object.fromEntries(members);
  }

  #array(depth: number): Exact {
    const items: Exact[] = [];
    this.#list(']', () => items.push(this.value(depth + 1)));
    return items;
  }

  #list(closing: string, item: () => void): void {
    this.#at++;
    this.#match(BLANK);
    if (this.#text[this.#at] === closing) {
      this.#at++;
      return;
    }
    for (;;) {
      item();
      this.#match(BLANK);
      const mark = this.#text[this.#at++];
      if (mark === closing) return;
      if (mark !== ',') this.#fail();
    }
  }

  #string(): string {
    return JSON.parse(this.#match(STRING) ?? this.#fail());
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #fail(): never {
    throw new SyntaxError(`no JSON at character ${this.#at + 1}`);
  }
}
