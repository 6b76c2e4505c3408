/**
 * The body of a request while it is written: bytes in one piece of memory outside of the heap. As one long string it would be
 * built from dozens of small ones for every change, copied twice, and collected. Pure.
 */
export class Body {
  #bytes: Buffer;
  #end = 0;

  /** @param expected bytes; more cost a copy */
  constructor(expected: number) {
    this.#bytes = Buffer.allocUnsafe(expected);
  }

  add(text: string): void {
    // One UTF-16 unit takes three bytes at most.
    const most = this.#end + 3 * text.length;
    if (most > this.#bytes.length) this.#grow(most);
    this.#end += this.#bytes.write(text, this.#end);
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#end);
  }

  #grow(least: number): void {
    const larger = Buffer.allocUnsafe(Math.max(least, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.#end);
    this.#bytes = larger;
  }
}
