/**
 * What ends a resolution, or the applying of a row, before its commit; the transaction is rolled back, and the caller tells it or
 * tries again.
 */

/** Why it cannot be done, and what to do instead. */
export class Refusal extends Error {
  readonly hint: string;
  constructor(message: string, hint = '') {
    super(message);
    this.hint = hint;
  }
}

/** A trigger of the POS made a row of another name out of this one: what SQL calls a triggered data change violation. */
export class AnotherKey extends Refusal {
  readonly code = '27000';
}

/** The shop has changed the row meanwhile. */
export class Overtaken extends Error {}
