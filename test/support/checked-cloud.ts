/** Runs the checks of syncd cloud-check in this process, against a cloud of the test. */
import { rowTemplate } from '../../src/cloud-check/row.js';
import { type Checked, runChecks } from '../../src/cloud-check/run.js';
import { TestOutlet, type TestOutletOptions } from '../../src/cloud-check/test-outlet.js';

export const API_KEY = 'a-key-for-the-checks';

/** Without long poll, which costs every run two seconds, and with small batches. */
export const QUICK = { long_poll: false, max_batch_changes: 50, max_batch_bytes: 50_000 };

/** A second outlet; the clouds of the tests have one key for all. */
export const OTHER = { outletId: 'other-outlet', apiKey: API_KEY };

export function testOutlet(url: string, given: Partial<TestOutletOptions> = {}): TestOutlet {
  const row = rowTemplate(undefined, 'id');
  if (row === undefined) throw new Error("the outlet's own row is no JSON object");
  return new TestOutlet({
    url,
    outletId: 'test-outlet',
    apiKey: API_KEY,
    ca: undefined,
    type: 'syncd_check',
    row,
    pulled: false,
    webhook: undefined,
    other: undefined,
    shared: false,
    tell: () => {},
    ...given,
  });
}

export async function checkCloud(url: string, given: Partial<TestOutletOptions> = {}): Promise<Checked[]> {
  const checked: Checked[] = [];
  for await (const one of runChecks(testOutlet(url, given))) checked.push(one);
  return checked;
}

/** The names of those that failed. */
export function failedIn(checked: readonly Checked[]): string[] {
  return checked.filter(({ outcome }) => outcome.kind === 'fail').map(({ check }) => check.name);
}

/** Why a check failed; else what became of it. */
export function whyOf(checked: readonly Checked[], name: string): string {
  const outcome = checked.find(({ check }) => check.name === name)?.outcome;
  return outcome?.kind === 'fail' ? outcome.why : `${name}: ${outcome?.kind}`;
}
