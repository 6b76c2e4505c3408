/** `syncd doctor`: examines the outlet and prints a line for each check; also where the configuration cannot be loaded. */
import { Command } from 'commander';
import { ConfigurationError } from '../config/faults.js';
import { type LoadedSettings, loadSettings } from '../config/load.js';
import type { SecretUse } from '../config/secrets.js';
import { faultyConfiguration, secretsKept } from '../doctor/checks/configuration.js';
import { examine } from '../doctor/examine.js';
import type { Finding, FindingState } from '../doctor/finding.js';
import { EXIT } from '../errors.js';
import { wrapped } from '../ops/status/words.js';
import { type Paint, painter, print, printJson, type Style, screenWidth } from './output.js';
import { type CommonOptions, commonOptions, onlySecretsAreKept } from './session.js';

const MARKS: Record<FindingState, { mark: string; style: Style }> = {
  ok: { mark: 'ok', style: 'green' },
  warn: { mark: 'warn', style: 'yellow' },
  fail: { mark: 'FAIL', style: 'red' },
  skipped: { mark: '-', style: 'dim' },
};
const NAME = 15;

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('examine everything: what is wrong, why it matters, and what to type')
    .addHelpText(
      'after',
      `
Changes nothing. Run it as the daemon's user, so that it sees what the daemon
sees: sudo -u syncd syncd doctor

Looks at the configuration, the database and its settings, the rights, the
triggers, NOTIFY, long transactions, the daemon, the queue, and then along the
line to the cloud: name, certificate, answer, key, clock, webhooks.

Exit codes: 0 nothing failed (warnings do not count), 1 something failed.
With --json a list of {name, state, finding, why, what_to_type}; state is ok,
warn, fail or skipped.
`,
    )
    .action(async (_options, command: Command) => {
      const options = commonOptions(command);
      const findings = await found(options);
      if (options.json) printJson(findings);
      else print(page(findings, painter(options), screenWidth()));
      process.exitCode = findings.some(({ state }) => state === 'fail') ? EXIT.failed : EXIT.done;
    });
}

/** A faulty configuration is a finding; what can be known without its secrets is looked at all the same. */
async function found(options: CommonOptions): Promise<Finding[]> {
  const load = (secrets: SecretUse) => loadSettings({ file: options.config, secrets });
  let loaded: LoadedSettings | undefined;
  const faults: Finding[] = [];
  try {
    loaded = load('needed');
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    const found = onlySecretsAreKept(error, load) ? [secretsKept()] : faultyConfiguration(error.faults);
    faults.push(...found.map((finding) => ({ name: 'configuration', ...finding })));
  }
  try {
    loaded ??= load('left');
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return faults;
  }
  const findings = await examine(loaded);
  return faults.length === 0 ? findings : [...faults, ...findings.filter(({ name }) => name !== 'configuration')];
}

function page(findings: Finding[], paint: Paint, width: number): string {
  const lines: string[] = [];
  const margin = ' '.repeat(NAME + 6);
  for (const { name, state, finding, why, what_to_type } of findings) {
    const { mark, style } = MARKS[state];
    const [first = '', ...rest] = wrapped(finding, width - margin.length);
    lines.push(`${paint(style, mark.padEnd(5))} ${name.padEnd(NAME)}${first}`, ...rest.map((line) => margin + line));
    if (why) lines.push(...wrapped(why, width - margin.length).map((line) => paint('dim', margin + line)));
    if (what_to_type) lines.push(`${margin}${paint('cyan', what_to_type)}`);
  }
  const count = (wanted: FindingState) => findings.filter(({ state }) => state === wanted).length;
  const [failed, warned] = [count('fail'), count('warn')];
  const verdict =
    failed + warned === 0
      ? paint('green', 'Nothing is wrong.')
      : `${paint(failed > 0 ? 'red' : 'yellow', `${failed} failed`)}, ${warned} ${warned === 1 ? 'warning' : 'warnings'}.`;
  const sql = findings.some(({ what_to_type }) => /^(ALTER|SELECT|ROLLBACK) /.test(what_to_type ?? ''))
    ? ['', 'What begins with ALTER, SELECT or ROLLBACK is SQL, for: sudo -u postgres psql DATABASE']
    : [];
  return [...lines, ...sql, '', verdict].join('\n');
}
