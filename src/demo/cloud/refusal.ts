/**
 * A request that the cloud refuses as a whole. Thrown where the fault is found, turned into the answer in one place; the state
 * is untouched by then.
 */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly headers: Record<string, string>;
  /** With code `fork`: the epoch that holds now. */
  readonly epoch: number | undefined;

  constructor(
    status: number,
    code: string,
    message: string,
    more: { headers?: Record<string, string>; epoch?: number } = {},
  ) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
    this.code = code;
    this.headers = more.headers ?? {};
    this.epoch = more.epoch;
  }

  /** The answer's body. */
  body(): string {
    const epoch = this.epoch === undefined ? {} : { epoch: this.epoch };
    return JSON.stringify({ error: { code: this.code, message: this.message, ...epoch } });
  }
}
