/**
 * The steps between two states that outlive a crash, by name. Whoever puts the daemon together may be told of each as it is
 * taken; nobody in the program itself is. The tests let the daemon die at every one of them.
 */
export const STEPS = [
  /** Changes were read from the queue, and nothing of them has left yet. */
  'push claimed',
  /** The cloud has answered, and nothing is written down. */
  'push answered',
  'push settled',
  /** A page has come, and neither it nor its cursor is stored. */
  'page answered',
  'page stored',
  /** A webhook is stored, and the cloud does not know it yet. */
  'webhook stored',
  /** One entity was fetched and stored; the hint that asked for it is still there. */
  'entity stored',
  /** The shop's rows are locked, and none is written. */
  'chunk judged',
  /** The shop's rows are written and their agreement noted, all in a transaction that is still open. */
  'chunk recorded',
  'chunk committed',
  /** A conflict is settled, in a transaction that is still open. */
  'conflict recorded',
  'conflict committed',
] as const;

export type Step = (typeof STEPS)[number];
export type OnStep = (step: Step) => void;
