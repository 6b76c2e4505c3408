/**
 * One exchange as the handlers of both listeners see it: a request whose body is read only when somebody asks for it, and the
 * answer to it. Types alone; who reads and writes the bytes is http/server.
 */

export type HttpRequest = {
  readonly method: string;
  /** As it stands in the request line, up to the question mark: nothing is decoded or put in order. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** The first value of each, by lower-case name; `values` tells whether there are more. */
  readonly headers: Readonly<Record<string, string>>;
  /** Every value of a header, in the order in which they came. @param name in lower case */
  values(name: string): readonly string[];
  /** Who asks: the peer, or whom a trusted proxy names; v4 in v6's clothes is v4. Empty where the proxy's word makes no sense. */
  readonly address: string;
  /**
   * Reads the body; to be called once at most.
   * @param limit in bytes
   * @returns its raw bytes; `too_large` where it has, or announces, more than `limit`, of which nothing is kept; `cut_off`
   * where it did not arrive whole, so that nobody waits for an answer
   */
  body(limit: number): Promise<Buffer | 'too_large' | 'cut_off'>;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
};

/**
 * Writes pieces for as long as it likes; the answer ends when it returns.
 * @param write resolves when there is room for more; false: nobody reads any more
 */
export type BodyStream = (write: (piece: string) => Promise<boolean>, signal: AbortSignal) => Promise<void>;

export type HttpAnswer = {
  status: number;
  headers?: Readonly<Record<string, string>>;
  body?: string | Buffer | BodyStream | undefined;
  /** Ends the connection after this answer. One whose request was not read to its end is closed in any case. */
  close?: boolean;
};

export type Handler = (request: HttpRequest) => Promise<HttpAnswer>;
