/**
 * Reads syncd.yaml: finds it, parses it, and remembers on which line every key stands. The parser's own messages quote the
 * file, and the file may hold a password: they are replaced by words of ours.
 */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { isMap, isScalar, isSeq, LineCounter, type Node, type Document as Parsed, parseDocument, visit } from 'yaml';
import { codeOf, SyncError } from '../errors.js';
import type { Fault } from './faults.js';

export type Document = {
  file: string;
  value: unknown;
  faults: Fault[];
  /** Others than the owner and the group may read it. */
  readableByAll: boolean;
  /** Where a path stands, or the nearest section above it that stands there. */
  where(path: (string | number)[]): string;
};

const LIMIT = 1 << 20;

const INSTALLED = '/etc/syncd/syncd.yaml';

/** The file to read. @throws SyncError `configuration` when there is none. */
export function findFile(named: string | undefined, env: NodeJS.ProcessEnv): string {
  const given = named ?? env.SYNCD_CONFIG;
  if (given) return resolve(given);
  const here = lookHere();
  if (here?.trusted) return here.file;
  if (!isMissing(INSTALLED)) return INSTALLED;
  throw new SyncError('configuration', `no configuration: ${nowhere(here)}`, {
    hint: 'Name one with --config FILE or $SYNCD_CONFIG.',
  });
}

/**
 * The file in the directory where the command is typed. Often that is another user's (sudo -u syncd …), who may keep it to himself,
 * or lay a file there that makes root send the outlet's key to a strange cloud: only the caller's own and root's count.
 * @returns `trusted` is undefined where there is none; undefined where the directory cannot be looked into
 */
function lookHere(): { file: string; trusted: boolean | undefined } | undefined {
  try {
    const file = resolve('syncd.yaml');
    const found = statSync(file, { throwIfNoEntry: false });
    return { file, trusted: found && (found.uid === 0 || found.uid === process.geteuid?.()) };
  } catch {
    return undefined;
  }
}

function nowhere(here: ReturnType<typeof lookHere>): string {
  if (here === undefined) return `${INSTALLED} does not exist`;
  if (here.trusted === false) return `${here.file} is another user's, and ${INSTALLED} does not exist`;
  return `neither ${here.file} nor ${INSTALLED} exists`;
}

function isMissing(file: string): boolean {
  try {
    return statSync(file, { throwIfNoEntry: false }) === undefined;
  } catch {
    // Whoever reads it says what is wrong.
    return false;
  }
}

export function readDocument(file: string): Document {
  const { text, mode } = readText(file);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true, version: '1.2' });
  const at = (offset: number) => `${file}:${lines.linePos(offset).line}`;
  const faults = syntaxFaults(document, text, at);
  let value: unknown;
  if (faults.length === 0) {
    try {
      value = document.toJS({ maxAliasCount: 100 });
    } catch {
      faults.push({ where: file, path: '', problem: 'its aliases (*name) cannot be followed; write the values out' });
    }
    if (faults.length === 0 && (value === null || value === undefined)) {
      faults.push({ where: file, path: '', problem: 'the file is empty; nothing was changed' });
    } else if (faults.length === 0 && (typeof value !== 'object' || Array.isArray(value))) {
      faults.push({
        where: at(0),
        path: '',
        problem: 'the file must be made of sections such as "outlet:" and "cloud:"',
      });
    }
  }
  const where = (path: (string | number)[]) => at(offsetOf(document.contents, path));
  return { file, value, faults, readableByAll: (mode & 0o004) !== 0, where };
}

function syntaxFaults(document: Parsed.Parsed, text: string, at: (offset: number) => string): Fault[] {
  const openings = openingsOf(document);
  const told = new Set<string>();
  return [...document.errors, ...document.warnings].flatMap(({ code, pos }) => {
    const opening = code === 'BAD_INDENT' || code === 'MISSING_CHAR' ? openings.get(pos[0]) : undefined;
    if (opening === undefined) return [{ where: at(pos[0]), path: '', problem: WORDS[code] ?? OTHERWISE }];
    // Where one is not closed those around it end too late as well; the innermost comes first.
    const where = at(opening);
    if (told.has(where)) return [];
    told.add(where);
    return [{ where, path: '', problem: unclosed(text[opening] as string) }];
  });
}

/**
 * Where each bracket and quote opens, by where the parser takes it to end. One that is not closed it misses lines further down,
 * and there it finds fault with the indentation.
 */
function openingsOf(document: Parsed.Parsed): ReadonlyMap<number, number> {
  const openings = new Map<number, number>();
  visit(document, {
    Collection: (_, { flow, range }) => {
      if (flow && range) openings.set(range[1], range[0]);
    },
    Scalar: (_, { type, range }) => {
      if (type?.startsWith('QUOTE') && range) openings.set(range[1], range[0]);
    },
  });
  return openings;
}

function unclosed(open: string): string {
  if (open !== '[' && open !== '{') return `the closing quote (${open}) of a text that begins on this line is missing`;
  const close = open === '[' ? ']' : '}';
  return `the "${open}" on this line is not closed: its "${close}" is missing, or what belongs into it is not indented further than the line`;
}

const OTHERWISE = 'this is not YAML: check indentation, quotes and colons here and on the line above';

/** The parser's codes in plain words; none quotes the file. */
const WORDS: Record<string, string> = {
  DUPLICATE_KEY: 'this key stands twice in one section; remove one of them',
  TAB_AS_INDENT: 'a tab stands in the indentation; YAML wants blanks',
  BAD_INDENT: 'the indentation does not fit the lines above',
  MISSING_CHAR: 'a closing quote, bracket or brace, or a colon is missing',
  MULTIPLE_DOCS: 'a second document begins here (---); one file holds one configuration',
  BAD_ALIAS: 'an alias (*name) has no anchor; quote the text if it begins with *',
  BAD_DQ_ESCAPE: 'a backslash in double quotes is not an escape; use single quotes',
  BAD_SCALAR_START: 'a text cannot begin with this character; quote it',
  BLOCK_AS_IMPLICIT_KEY: 'a second colon stands on this line; quote the text that contains it',
  UNEXPECTED_TOKEN: 'something stands here that does not belong here; check quotes, brackets and commas',
  TAG_RESOLVE_FAILED: 'an unknown tag (!…) stands here; quote the text if it begins with !',
};

function readText(file: string): { text: string; mode: number } {
  try {
    const stat = statSync(file);
    if (stat.isDirectory())
      throw new SyncError('configuration', `${file} is a directory`, { hint: 'Name the file in it.' });
    if (stat.size > LIMIT) throw new SyncError('configuration', `${file} is too large for a configuration`);
    const text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
    return { text, mode: stat.mode };
  } catch (error) {
    if (error instanceof SyncError) throw error;
    const code = codeOf(error);
    if (code === 'ENOENT')
      throw new SyncError('configuration', `${file} does not exist`, { hint: 'Check --config and $SYNCD_CONFIG.' });
    if (code === 'EACCES') {
      throw new SyncError('configuration', `${file} may not be read by this user`, {
        hint: 'Run the command as the user that syncd runs as: sudo -u syncd syncd …',
        cause: error,
      });
    }
    const why = code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'it is not UTF-8 text' : (code ?? 'unknown reason');
    throw new SyncError('configuration', `${file} cannot be read: ${why}`, { cause: error });
  }
}

/** Where the key of the last step that exists begins. */
function offsetOf(root: unknown, path: (string | number)[]): number {
  let node: unknown = root;
  let offset = (root as Node | null)?.range?.[0] ?? 0;
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      if (!pair) break;
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      offset = (node as Node | undefined)?.range?.[0] ?? offset;
    } else break;
  }
  return offset;
}
