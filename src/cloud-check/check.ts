/**
 * What a check of a cloud is, and what may come of it. Pure. A check sends what a shop would send, holds each answer against one
 * rule of the wire contract, and says what it saw; what went over the line stays beside the verdict, for whoever has to mend it.
 */
import type { Exchange } from './exchange.js';
import type { TestOutlet } from './test-outlet.js';

/** A rule that an answer breaks. `exchange` null: it lies in no single answer. */
export type Fault = { why: string; exchange: Exchange | null };

export type Outcome =
  /** `note`: what is worth knowing all the same. */
  { kind: 'ok'; note: string | null } | ({ kind: 'fail' } & Fault) | { kind: 'skipped'; why: string };

export type Check = {
  /** What holds where the check passes. */
  name: string;
  /** Where in the contract, and the sentence as it stands there. */
  contract: { where: string; says: string };
  run(outlet: TestOutlet): Promise<Outcome>;
};

export type Chapter = {
  title: string;
  /** Whether its checks say nothing where the cloud takes no row of the test outlet at all. */
  needsRows: boolean;
  /** Why none of its checks can be made; undefined: they can. */
  leftOut?(outlet: TestOutlet): string | undefined;
  checks: Check[];
};

export const ok = (note: string | null = null): Outcome => ({ kind: 'ok', note });
export const skipped = (why: string): Outcome => ({ kind: 'skipped', why });
export const broken = (why: string, exchange: Exchange | null): Fault => ({ why, exchange });
export const failed = (fault: Fault): Outcome => ({ kind: 'fail', ...fault });

/** The verdict on steps that were taken one after the other: later ones mean little once one has failed. */
export function verdictOf(faults: (Fault | undefined)[], note: string | null = null): Outcome {
  const first = faults.find((fault) => fault !== undefined);
  return first ? failed(first) : ok(note);
}

/** `HTTP 422: unknown_type: …`, or why nothing came. */
export function answerWords({ reply }: Exchange): string {
  if (reply.kind === 'none') return `no answer (${reply.error})`;
  return `HTTP ${reply.status}`;
}

/** For an answer that somebody else may have given: a proxy, a login page, an error page of the framework. */
export const NO_JSON = 'the answer is no JSON object; did the cloud itself answer?';
