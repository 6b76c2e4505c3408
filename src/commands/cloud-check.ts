/**
 * `syncd cloud-check`: the wire contract, check by check, against the URL of a cloud. For the team that writes the cloud: it needs
 * no database and reads no syncd.yaml, so that it can never speak in the name of the shop on whose machine it runs.
 */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { rowTemplate } from '../cloud-check/row.js';
import { type Checked, runChecks } from '../cloud-check/run.js';
import { TestOutlet, type TestOutletOptions } from '../cloud-check/test-outlet.js';
import { mustBeFree } from '../cloud-check/webhook-door.js';
import { cloudUrl, duration, headerText, isEntityName, listen } from '../config/scalars.js';
import { readCertificates, readSecretFile } from '../config/secrets.js';
import { codeOf, EXIT, SyncError, wordsOf } from '../errors.js';
import { parseSecrets } from '../http/webhooks/signature.js';
import { wrapped } from '../ops/status/words.js';
import { chapterLine, checkLines, inJson, summaryLines } from './cloud-check-view.js';
import { painter, print, printJson, remark, screenWidth } from './output.js';
import { type CommonOptions, commonOptions } from './session.js';

type Given = {
  outlet?: string;
  apiKeyFile?: string;
  type: string;
  data?: string;
  key: string;
  caFile?: string;
  pulled?: true;
  listen?: string;
  secretsFile?: string;
  wait: string;
  otherOutlet?: string;
  otherKeyFile?: string;
  shared?: true;
};

export function cloudCheckCommand(): Command {
  return new Command('cloud-check')
    .description('for those who write a cloud: does it keep the wire contract?')
    .argument('<url>', 'the base of the cloud, https://cloud.example.com/api/v1')
    .option('--outlet <id>', 'a test outlet of a test cloud; never the id of a shop')
    .option('--api-key-file <file>', 'the API key of that outlet, alone in a file')
    .option('--type <type>', 'the entity type to push', 'syncd_check')
    .option('--data <file>', 'a row of that type, a JSON object; else one of its own')
    .option('--key <field>', 'the field of the row that takes the id', 'id')
    .option('--pulled', 'the outlet also receives this type: check the pull')
    .option('--ca-file <file>', 'PEM, for a cloud with a certificate of your own')
    .option('--listen <address:port>', 'wait for a webhook of the cloud there')
    .option('--secrets-file <file>', "the webhooks' secrets, one a line")
    .option('--wait <time>', 'how long to wait for the webhook', '60s')
    .option('--other-outlet <id>', 'a second test outlet: is each kept to itself?')
    .option('--other-key-file <file>', "the second outlet's API key, alone in a file")
    .option('--shared', 'both outlets share the rows of this type')
    .addHelpText(
      'after',
      `
Plays an outlet that has just been installed: pushes rows under fresh ids, once
more, too late, twice at once, and holds every answer against the wire contract
(in the README). Each check is a line; where one fails stands what was sent,
what came back, and which sentence of the contract that breaks.

It leaves about 150 rows at the cloud and takes the outlet over, and the second
one with it: a shop that lives under the same id cannot push any more. So it
reads no syncd.yaml; make outlets for tests, at a cloud for tests.

Exit code: 0 all hold, 1 something failed, 64 usage, 69 no cloud there.
With --json one object {ok, url, outlet, epoch, failure, checks: [...]};
failure tells why the checks ended early, null where they did not.
`,
    )
    .action(async (url: string, _options, self: Command) => {
      const common = commonOptions(self);
      const options = optionsFrom(url, self.opts<Given>());
      // Said now: by the time that a webhook is waited for, the checks have taken the outlet over.
      if (options.webhook) await mustBeFree(options.webhook.listen);
      const outlet = new TestOutlet(options);
      const checked = common.json ? await collected(outlet) : await told(outlet, common);
      process.exitCode = checked.some(({ outcome }) => outcome.kind === 'fail') ? EXIT.failed : EXIT.done;
    });
}

/** What was found stays worth knowing where the cloud ends before the checks do. @throws what ended them */
async function collected(outlet: TestOutlet): Promise<Checked[]> {
  const checked: Checked[] = [];
  try {
    for await (const one of runChecks(outlet)) checked.push(one);
  } catch (error) {
    if (checked.length > 0) printJson(inJson(outlet, checked, wordsOf(error)));
    throw error;
  }
  printJson(inJson(outlet, checked, null));
  return checked;
}

async function told(outlet: TestOutlet, common: CommonOptions): Promise<Checked[]> {
  const [paint, width] = [painter(common), screenWidth()];
  const checked: Checked[] = [];
  for await (const one of runChecks(outlet)) {
    const begins = checked.at(-1)?.chapter !== one.chapter;
    if (begins) print(chapterLine(one.chapter, checked.length === 0, paint));
    // Where a whole chapter is left out, one line says so for all of its checks.
    if (begins || one.among === 0) for (const line of checkLines(one, paint, width)) print(line);
    checked.push(one);
  }
  for (const line of summaryLines(checked, paint, width)) print(line);
  return checked;
}

/** @throws SyncError `usage` with what to type */
function optionsFrom(given: string, options: Given): TestOutletOptions {
  const url = cloudUrl(given);
  if (url === undefined)
    throw usage(`URL is ${given}: https without login, query or fragment is wanted (http only to this machine)`);
  if (options.outlet === undefined)
    throw usage(
      '--outlet is missing: it is not taken from syncd.yaml, for the checks take the outlet over, and a shop that lives under its id could not push any more',
      'Make an outlet for tests at the cloud, and name it: --outlet test-outlet-1',
    );
  const outletId = outletIdOf('--outlet', options.outlet);
  if (options.apiKeyFile === undefined)
    throw usage('--api-key-file is missing', "Write the test outlet's API key, alone, into a file and name it.");
  if (!isEntityName(options.type)) throw usage(`--type is ${options.type}: a name such as order_item is wanted`);
  const row = rowTemplate(options.data === undefined ? undefined : textOf('--data', options.data), options.key);
  if (row === undefined) throw usage(`--data: ${options.data} holds no JSON object`);
  return {
    url,
    outletId,
    apiKey: secretOf('--api-key-file', options.apiKeyFile),
    ca: certificatesOf(options.caFile),
    type: options.type,
    row,
    pulled: options.pulled === true,
    webhook: webhookOf(options),
    other: otherOf(options, outletId),
    shared: options.shared === true,
    tell: (text) => remark(wrapped(text, screenWidth()).join('\n')),
  };
}

function webhookOf(options: Given): TestOutletOptions['webhook'] {
  const { secretsFile } = options;
  if (options.listen === undefined) {
    if (secretsFile === undefined) return undefined;
    throw usage('--secrets-file is for webhooks: --listen is missing', 'For example: --listen 0.0.0.0:8420');
  }
  const address = listen(options.listen);
  if (address === undefined) throw usage(`--listen is ${options.listen}: an address and a port are wanted`);
  if (secretsFile === undefined)
    throw usage('--secrets-file is missing: without a secret no signature can be checked', 'One secret a line.');
  if (parseSecrets(textOf('--secrets-file', secretsFile)).length === 0)
    throw usage(`--secrets-file: ${secretsFile} is empty`, 'One secret a line.');
  const waitMs = duration(options.wait);
  if (waitMs === undefined) throw usage(`--wait is ${options.wait}: a time such as 60s or 2m is wanted`);
  return { listen: address, secretsFile, waitMs };
}

function otherOf({ otherOutlet, otherKeyFile, shared }: Given, outletId: string): TestOutletOptions['other'] {
  if (otherOutlet === undefined) {
    const idle = otherKeyFile !== undefined ? '--other-key-file' : shared ? '--shared' : undefined;
    if (idle === undefined) return undefined;
    throw usage(`${idle} is for a second outlet: --other-outlet is missing`);
  }
  const id = outletIdOf('--other-outlet', otherOutlet);
  if (id === outletId) throw usage(`--other-outlet is ${id}, which is --outlet: a second one is wanted`);
  if (otherKeyFile === undefined)
    throw usage('--other-key-file is missing', 'If the cloud has one key for both, name the same file again.');
  return { outletId: id, apiKey: secretOf('--other-key-file', otherKeyFile) };
}

function outletIdOf(option: string, given: string): string {
  const id = headerText(given);
  if (id === undefined) throw usage(`${option} is ${given}: 1 to 200 visible characters are wanted`);
  return id;
}

function secretOf(option: string, file: string): string {
  const read = readSecretFile(file);
  if ('problem' in read) throw usage(`${option}: ${file} ${read.problem}`);
  if (headerText(read.value) === undefined) throw usage(`${option}: ${file} holds what no header can carry`);
  return read.value;
}

function certificatesOf(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  const read = readCertificates(file);
  if ('problem' in read) throw usage(`--ca-file: ${read.problem}`);
  return read.pem;
}

function textOf(option: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw usage(`${option}: ${file} cannot be read (${codeOf(error) ?? 'unknown reason'})`);
  }
}

function usage(message: string, hint = 'See: syncd cloud-check --help'): SyncError {
  return new SyncError('usage', message, { hint });
}
