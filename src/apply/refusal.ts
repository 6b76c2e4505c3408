/** What ends a resolution before its commit; the transaction is rolled back, and the caller tells it or tries again. */

/** Why it cannot be done, and what to do instead. */
export class Refusal extends Error {
  readonly hint: string;
  constructor(message: string, hint = '') {
    super(message);
    this.hint = hint;
  }
}

/** The shop has changed the row meanwhile. */
export class Overtaken extends Error {}
