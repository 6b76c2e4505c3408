/**
 * Fetches what must not stand in a file that people copy around: from $CREDENTIALS_DIRECTORY (where systemd puts it), else
 * from the file that a `…_file` field names. What is wrong with one is told without a word of what is in it.
 */
import { readFileSync, statSync } from 'node:fs';
import { codeOf } from '../errors.js';
import { cameBlank, credentialFile } from './credentials.js';
import type { Fault } from './faults.js';
import { isTree, type Leaf, type Tree } from './layers.js';

/** needed: the daemon cannot do without. shown: checked, but a file for other eyes is no fault. left: not even opened. */
export type SecretUse = 'needed' | 'shown' | 'left';

type Secret = { path: [string, string]; credential: string; always: boolean };

/** `always`: even a command that needs no secret of the cloud's needs this one. */
const SECRETS: Secret[] = [
  { path: ['database', 'url'], credential: 'database_url', always: true },
  { path: ['cloud', 'api_key'], credential: 'cloud_api_key', always: false },
];

export type FetchedSecrets = { leaves: Leaf[]; faults: Fault[]; warnings: string[] };

/** @param tree the file with the environment over it, for the `…_file` fields. */
export function fetchSecrets(
  tree: Tree,
  env: NodeJS.ProcessEnv,
  use: SecretUse,
  where: (path: string[]) => string,
): FetchedSecrets {
  const fetched: FetchedSecrets = { leaves: [], faults: [], warnings: [] };
  for (const { path, credential, always } of SECRETS) {
    const [section, name] = path;
    const fileField = `${name}_file`;
    const inner = tree[section];
    const named = isTree(inner) ? inner[fileField] : undefined;
    const stored = credentialFile(env, credential);
    const fromSystemd = stored !== undefined;
    const file = stored ?? named;
    if (typeof file !== 'string' || !file.startsWith('/')) continue;
    const source = fromSystemd ? `credential ${credential}` : file;
    const effective = always ? 'needed' : use;
    if (effective === 'left') continue;
    const answer = readSecretFile(file);
    if ('value' in answer) {
      fetched.leaves.push({ path: [...path], value: answer.value, source });
      if (answer.exposed && !fromSystemd) fetched.warnings.push(`${file} can be read by every user; chmod o= ${file}`);
    } else if (answer.forbidden && effective === 'shown') {
      fetched.warnings.push(`${file}: ${answer.problem}`);
    } else {
      const place = fromSystemd ? `$CREDENTIALS_DIRECTORY/${credential}` : where([section, fileField]);
      const problem = (answer.forbidden && cameBlank(env, credential)) || answer.problem;
      fetched.faults.push({ where: place, path: `${section}.${fileField}`, problem: `${file} ${problem}` });
    }
  }
  return fetched;
}

type Answer = { value: string; exposed: boolean } | { problem: string; forbidden: boolean };

/** The one word that a file holds, or why not; `problem` goes on after the file's name. */
export function readSecretFile(file: string): Answer {
  try {
    const value = readFileSync(file, 'utf8').trim();
    if (value === '') return { problem: 'is empty', forbidden: false };
    if (/\s/.test(value))
      return { problem: 'holds more than one line or word; it must hold the secret alone', forbidden: false };
    return { value, exposed: (statSync(file).mode & 0o004) !== 0 };
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') return { problem: 'does not exist', forbidden: false };
    if (code === 'EACCES' || code === 'EPERM') return { problem: 'may not be read by this user', forbidden: true };
    return { problem: `cannot be read (${code ?? 'unknown reason'})`, forbidden: false };
  }
}

/** The certificates of `cloud.ca_file`, or why not. */
export function readCertificates(file: string): { pem: string } | { problem: string } {
  try {
    const pem = readFileSync(file, 'utf8');
    return pem.includes('-----BEGIN CERTIFICATE-----') ? { pem } : { problem: `${file} holds no PEM certificate` };
  } catch (error) {
    return { problem: `${file} cannot be read (${codeOf(error) ?? 'unknown reason'})` };
  }
}
