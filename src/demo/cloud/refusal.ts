/**
 * A request that the cloud refuses as a whole. Thrown where the fault is found, turned into the answer in one place; the state
 * is untouched by then.
 */
import { SyncError } from '../../errors.js';

export class Refusal extends SyncError {
  readonly status: number;
  /** The `code` in the answer's error. */
  readonly reason: string;
  readonly headers: Record<string, string>;
  /** With code `fork`: the epoch that holds now. */
  readonly epoch: number | undefined;

  constructor(
    status: number,
    reason: string,
    message: string,
    more: { headers?: Record<string, string>; epoch?: number } = {},
  ) {
    super('failed', message);
    this.name = 'Refusal';
    this.status = status;
    this.reason = reason;
    this.headers = more.headers ?? {};
    this.epoch = more.epoch;
  }

  /** The answer's body. */
  body(): string {
    const epoch = this.epoch === undefined ? {} : { epoch: this.epoch };
    return JSON.stringify({ error: { code: this.reason, message: this.message, ...epoch } });
  }
}
