/**
 * The secrets of the listeners. They stay in their files, which the listeners read again when somebody exchanges one; when the
 * settings are loaded the files must already hold what they are for. What is wrong with one is told without what is in it.
 */
import { readFileSync, statSync } from 'node:fs';
import { codeOf } from '../errors.js';
import { cameBlank, credentialFile } from './credentials.js';
import type { Fault } from './faults.js';
import { isTree, type Leaf, type Tree } from './layers.js';
import type { SecretUse } from './secrets.js';

/** What a file of secrets holds, or the first thing that is wrong with it. */
export type SecretLines = { secrets: string[] } | { problem: string };

type SecretFile = { path: [string, string]; credential: string; read: (text: string) => SecretLines };

const FILES: SecretFile[] = [
  { path: ['webhook', 'secrets_file'], credential: 'webhook_secrets', read: webhookSecrets },
  { path: ['admin', 'token_file'], credential: 'admin_token', read: oneToken },
  { path: ['admin', 'read_token_file'], credential: 'admin_read_token', read: oneToken },
];

const LEAST = 16;

/**
 * One secret a line, the current and, while they are exchanged, the coming or the last one. Blank lines mean nothing.
 * @returns the secrets as they stand there, `whsec_` and all
 */
function webhookSecrets(text: string): SecretLines {
  const secrets: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const secret = line.trim();
    if (secret === '') continue;
    const problem = problemOf(secret);
    if (problem) return { problem: `is no list of secrets: line ${index + 1} ${problem}` };
    secrets.push(secret);
  }
  return secrets.length > 0 ? { secrets } : { problem: 'holds no secret; it takes one a line' };
}

function problemOf(secret: string): string | undefined {
  if (!/^[\x21-\x7e]+$/.test(secret)) return 'is not made of visible ASCII characters alone';
  const bare = secret.replace(/^whsec_/, '');
  if (bare.length < LEAST) return `is shorter than ${LEAST} characters`;
  const coded = bare !== secret;
  if (coded && Buffer.from(bare, 'base64').toString('base64').replace(/=+$/, '') !== bare.replace(/={1,2}$/, ''))
    return 'begins with whsec_, but what follows is not base64';
  return undefined;
}

/** A file with one bearer token in it: the characters that RFC 6750 lets travel. */
export function oneToken(text: string): SecretLines {
  const token = text.trim();
  if (token === '') return { problem: 'is empty' };
  if (!/^[A-Za-z0-9._~+/-]+=*$/.test(token))
    return { problem: 'holds something else than one token of letters, digits and . _ ~ + / -' };
  return token.length < LEAST ? { problem: `is shorter than ${LEAST} characters` } : { secrets: [token] };
}

/** What systemd hands over goes before what the file names. */
export function credentialFiles(file: Tree, env: NodeJS.ProcessEnv): Leaf[] {
  return FILES.filter(({ path: [section] }) => section === 'admin' || isTree(file[section])).flatMap(
    ({ path, credential }) => {
      const value = credentialFile(env, credential);
      return value === undefined ? [] : [{ path, value, source: `credential ${credential}` }];
    },
  );
}

export type CheckedFiles = { faults: Fault[]; warnings: string[]; secrets: string[] };

export function checkSecretFiles(
  tree: Tree,
  env: NodeJS.ProcessEnv,
  use: Exclude<SecretUse, 'left'>,
  place: (path: string[]) => string,
): CheckedFiles {
  const checked: CheckedFiles = { faults: [], warnings: [], secrets: [] };
  const held = new Map<string, string>();
  for (const { path, credential, read } of FILES) {
    const section = tree[path[0]];
    const file = isTree(section) ? section[path[1]] : undefined;
    if (typeof file !== 'string' || !file.startsWith('/')) continue;
    const field = path.join('.');
    const fault = (problem: string) => checked.faults.push({ where: place(path), path: field, problem });
    const text = textOf(file);
    if (typeof text !== 'string') {
      if (text.forbidden && use === 'shown') checked.warnings.push(`${file} ${text.problem}`);
      else fault(`${file} ${(text.forbidden && cameBlank(env, credential)) || text.problem}`);
      continue;
    }
    const found = read(text);
    if ('problem' in found) {
      fault(`${file} ${found.problem}`);
      continue;
    }
    checked.secrets.push(...found.secrets);
    const twin = found.secrets.map((secret) => held.get(secret)).find((other) => other !== undefined);
    if (twin) fault(`holds the same as ${twin}: who has the one would have the other`);
    for (const secret of found.secrets) held.set(secret, field);
    if (openToAll(file)) checked.warnings.push(`${file} can be read by every user; chmod o= ${file}`);
  }
  return checked;
}

function textOf(file: string): string | { problem: string; forbidden: boolean } {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = codeOf(error);
    const forbidden = code === 'EACCES' || code === 'EPERM';
    if (code === 'ENOENT') return { problem: 'does not exist', forbidden };
    if (forbidden) return { problem: 'may not be read by this user', forbidden };
    return { problem: `cannot be read (${code ?? 'unknown reason'})`, forbidden };
  }
}

function openToAll(file: string): boolean {
  return (statSync(file, { throwIfNoEntry: false })?.mode ?? 0) % 8 >= 4;
}
