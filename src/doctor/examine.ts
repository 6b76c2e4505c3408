/**
 * `syncd doctor`: looks at everything that a person far away would ask about, in an order in which each finding stands on the
 * ones before, and says of each what it means and what to type. Changes nothing. A check that fails, hangs or throws costs its
 * own line and those that lean on it.
 */
import { createCloudClient } from '../cloud/client.js';
import { ClockOffset } from '../cloud/clock.js';
import type { LoadedSettings } from '../config/load.js';
import { wordsOf } from '../errors.js';
import { redactText } from '../redact.js';
import { within } from '../time.js';
import { VERSION } from '../version.js';
import { capture } from './checks/capture.js';
import { apiKey, clock, cloud, dns, tls } from './checks/cloud.js';
import { configurationOf, files } from './checks/configuration.js';
import { daemon } from './checks/daemon.js';
import { database, schema } from './checks/database.js';
import { disk } from './checks/disk.js';
import { notify } from './checks/notify.js';
import { queue } from './checks/queue.js';
import { rights } from './checks/rights.js';
import { server } from './checks/server.js';
import { sessions } from './checks/sessions.js';
import { triggers } from './checks/triggers.js';
import { webhook } from './checks/webhook.js';
import { type Finding, fail, skipped, type Unnamed } from './finding.js';
import { type Check, type Ground, LIMIT_MS, openBedside, type Patient } from './patient.js';

const CHECKS: Check[] = [
  files,
  database,
  schema,
  server,
  rights,
  capture,
  notify,
  sessions,
  disk,
  daemon,
  queue,
  triggers,
  dns,
  tls,
  cloud,
  apiKey,
  clock,
  webhook,
];

const LACKS: Record<Ground, string> = {
  database: 'the database does not answer',
  schema: 'the installation is not in order, see above',
  key: 'there is no API key',
  name: "the cloud's name has no address",
  tls: 'there is no secure line to the cloud',
  cloud: 'the cloud does not answer',
};

/** Settings with the cloud's key where there is one. `file` undefined: those that the daemon works by. */
export type Examined = Pick<LoadedSettings, 'settings' | 'warnings' | 'secrets'> & { file: string | undefined };

export async function examine(loaded: Examined): Promise<Finding[]> {
  const { settings, secrets } = loaded;
  const { url, apiKey: key, timeoutMs, compression, ca } = settings.cloud;
  const databaseUrl = settings.database.urls[0] as string;
  const client = createCloudClient({
    url,
    outletId: settings.outlet.id,
    apiKey: key,
    timeoutMs: Math.min(timeoutMs, LIMIT_MS),
    compression,
    ca,
    version: VERSION,
  });
  const patient: Patient = {
    settings,
    url: databaseUrl,
    db: openBedside(databaseUrl),
    client,
    clock: new ClockOffset(url.startsWith('https:')),
  };
  try {
    const findings = named('configuration', configurationOf(loaded));
    findings.push(...(await examineAll(patient, settings.cloud.apiKey !== undefined)));
    return findings.map((finding) => withoutSecrets(finding, secrets));
  } finally {
    client.abort();
    await patient.db.destroy().catch(() => {});
  }
}

async function examineAll(patient: Patient, hasKey: boolean): Promise<Finding[]> {
  const proved = new Set<Ground>(hasKey ? ['key'] : []);
  const findings: Finding[] = [];
  for (const check of CHECKS) {
    const lacking = check.needs.find((ground) => !proved.has(ground));
    const found = lacking === undefined ? await look(check, patient) : [skipped(`not looked at: ${LACKS[lacking]}`)];
    const well = found.every(({ state }) => state === 'ok' || state === 'warn');
    if (check.proves && well) proved.add(check.proves);
    findings.push(...named(check.name, found));
  }
  return findings;
}

async function look(check: Check, patient: Patient): Promise<Unnamed[]> {
  try {
    return await within(LIMIT_MS, check.look(patient), () => new Error(`no answer within ${LIMIT_MS / 1_000} s`));
  } catch (error) {
    return [fail(`could not be looked at: ${wordsOf(error)}`, 'What cannot be looked at may be out of order.')];
  }
}

function named(name: string, found: Unnamed[]): Finding[] {
  return found.map((finding) => ({ name, ...finding }));
}

function withoutSecrets(finding: Finding, secrets: string[]): Finding {
  const clean = (text: string | null) => (text === null ? null : redactText(text, secrets));
  return {
    ...finding,
    finding: redactText(finding.finding, secrets),
    why: clean(finding.why),
    what_to_type: clean(finding.what_to_type),
  };
}
