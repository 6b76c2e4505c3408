/** The house's statics: who may import whom, and which concern has one owner. Reads the source as text. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const SOURCE = join(process.cwd(), 'src');

/** From the roof downwards; the first pattern that fits a file gives its level. A file imports its own level or a lower one. */
const LEVELS: [level: number, pattern: RegExp][] = [
  [5, /^cli\.ts$|^(daemon|commands|demo|dashboard)\//],
  [0, /^cloud-check\/(check|exact|row|fingerprint|exchange|judge-[a-z]+)\.ts$/],
  [5, /^cloud-check\//],
  [0, /^push\/(backlog|body|compose|outcome|verdict|link|suspects|flights|memory)\.ts$/],
  [0, /^cloud\/(ascii|wire|reply|backoff|clock|instant|outcome|standing)\.ts$/],
  [0, /^inbox\/(scan|span|change|envelope)\.ts$|^pull\/(pace|memory)\.ts$/],
  [
    0,
    /^apply\/(decide|faults|groups|horizon|sort-out)\.ts$|^resolve\/(merge|strategy)\.ts$|^ops\/(identity\/verdict|status\/(verdict|words|table-findings)|disk-forecast|alerts\/(rules|words))\.ts$/,
  ],
  [0, /^(errors|time|service|step|version|redact|log-throttle)\.ts$/],
  [0, /^http\/(addresses|exchange|guard|refusal|webhooks\/(signature|recent-events))\.ts$/],
  [4, /^(push|pull|http)\/|^inbox\/loop\.ts$/],
  [0, /^init\/(words|spelling)\.ts$/],
  [0, /^proof\/difference\.ts$/],
  [3, /^(queue|capture|drift|walk|init|ops|cloud|apply|resolve|inbox|doctor|support|proof)\//],
  [2, /^db\//],
  [1, /^(config\/|(log|dialling)\.ts$)/],
];

type Import = { of: string; what: string; typeOnly: boolean };
type SourceFile = { path: string; text: string; imports: Import[] };

const files: SourceFile[] = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
  .filter((path) => /\.tsx?$/.test(path))
  .map((path) => {
    const text = readFileSync(join(SOURCE, path), 'utf8');
    return { path, text, imports: importsOf(path, text) };
  });

function importsOf(path: string, text: string): Import[] {
  const statements = text.matchAll(/^import\s+(type\s+)?[^;]*?from\s+'([^']+)';|\bimport\('([^']+)'\)/gm);
  return [...statements].map(([, type, from, lazily]) => {
    const of = (from ?? lazily) as string;
    const local = of.startsWith('.') ? relative(SOURCE, join(SOURCE, dirname(path), of)).replace(/\.js$/, '.ts') : of;
    return { of: local, what: of, typeOnly: type !== undefined };
  });
}

function levelOf(path: string): number {
  const found = LEVELS.find(([, pattern]) => pattern.test(path));
  if (!found) throw new Error(`${path} has no level: name one in this test`);
  return found[0];
}

/** Files outside of `allowed` whose text matches. */
function strangers(pattern: RegExp, allowed: RegExp): string[] {
  return files.filter(({ path, text }) => !allowed.test(path) && pattern.test(text)).map(({ path }) => path);
}

test('every import goes downwards or stays on its level', () => {
  const upwards = files.flatMap(({ path, imports }) =>
    imports
      .filter(({ of, what, typeOnly }) => what.startsWith('.') && !typeOnly && levelOf(of) > levelOf(path))
      .map(({ of }) => `${path} (${levelOf(path)}) imports ${of} (${levelOf(of)})`),
  );
  expect(upwards).toEqual([]);
});

test('no file needs, by whatever way, one that needs it: not even for a type', () => {
  const name = (path: string) => path.replace(/\.tsx?$/, '');
  const needs = new Map(files.map(({ path, imports }) => [name(path), imports.map(({ of }) => name(of))]));
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): void => {
    if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(' > '));
    if (done.has(path) || way.includes(path)) return;
    for (const next of needs.get(path) ?? []) visit(next, [...way, path]);
    done.add(path);
  };
  for (const path of needs.keys()) visit(path, []);
  expect(circles).toEqual([]);
});

/** What Node's own modules have to offer that reckons and touches nothing. */
const RECKONING =
  /^import \{ (createHash|createHmac, timingSafeEqual|isIP|STATUS_CODES) \} from 'node:(crypto|net|http)';$/m;

test('what is pure imports nothing that touches the world', () => {
  const pure =
    /^errors\.ts$|^push\/(backlog|body|compose|outcome|verdict|link|suspects|flights)\.ts$|^cloud\/(ascii|wire|reply|backoff|clock|instant|outcome|standing)\.ts$|^cloud-check\/(check|exact|row|fingerprint|exchange|judge-[a-z]+)\.ts$|^inbox\/(scan|span|change|envelope)\.ts$|^pull\/pace\.ts$|^apply\/decide\.ts$|^resolve\/(merge|strategy)\.ts$|^proof\/difference\.ts$|^ops\/(identity\/verdict|status\/(verdict|words|table-findings)|disk-forecast|alerts\/(rules|words))\.ts$|^http\/(addresses|guard|refusal|webhooks\/(signature|recent-events))\.ts$/;
  const impure = files
    .filter(({ path }) => pure.test(path))
    .flatMap(({ path, text, imports }) => [
      ...imports
        .filter(({ typeOnly, of }) => !typeOnly && !pure.test(of) && !(of.startsWith('node:') && RECKONING.test(text)))
        .map(({ of }) => `${path} imports ${of}`),
      ...(/Date\.now|new Date\(\)|Math\.random\(|performance\.|process\./.test(text) ? [`${path} asks the world`] : []),
    ]);
  expect(impure).toEqual([]);
});

test('the reference cloud shares no code with the daemon but the types of the wire', () => {
  const shared = files
    .filter(({ path }) => path.startsWith('demo/cloud/'))
    .flatMap(({ path, imports }) =>
      imports
        .filter(({ of, what }) => what.startsWith('.') && !/^demo\/cloud\/|^(errors|time|version)\.ts$/.test(of))
        .filter(({ of, typeOnly }) => !(typeOnly && of === 'cloud/wire.ts'))
        .map(({ of }) => `${path} imports ${of}`),
    );
  expect(shared).toEqual([]);
});

test('the dashboard is a world of its own: of the daemon it knows types alone, and nobody imports it', () => {
  const within = (path: string) => path.startsWith('dashboard/');
  const crossing = files.flatMap(({ path, imports }) =>
    imports
      .filter(
        ({ of, what, typeOnly }) => what.startsWith('.') && within(of) !== within(path) && !(within(path) && typeOnly),
      )
      .map(({ of }) => `${path} imports ${of}`),
  );
  expect(crossing).toEqual([]);
});

test.each([
  ['the environment', /process\.env/, /^config\//],
  ['timers', /\b(setTimeout|setInterval)\(/, /^time\.ts$|^dashboard\/state\/timers\.ts$/],
  ['got', /from 'got'/, /^cloud\/client\.ts$/],
  ['p-retry', /from 'p-retry'/, /^cloud\/retry\.ts$/],
  ['winston', /from 'winston'/, /^log\.ts$/],
  ['pg-listen', /from 'pg-listen'/, /^db\/listen\.ts$/],
  ['prom-client', /from 'prom-client'/, /^ops\/figures\/metrics\.ts$/],
  ['the console', /\bconsole\.|process\.std(out|err)\.write/, /^(commands\/|cli\.ts$|demo\/cloud\/main\.ts$)/],
  ['the end of the process', /process\.exit\(/, /^commands\/|^demo\/cloud\/main\.ts$/],
])('%s has one owner', (_concern, pattern, owners) => {
  expect(strangers(pattern, owners)).toEqual([]);
});

test('no file exports a default, re-exports others, or is named after nothing', () => {
  expect(strangers(/^export default/m, /^$/)).toEqual([]);
  expect(strangers(/^export (\*|\{[^}]*\}) from/m, /^$/)).toEqual([]);
  expect(
    files.map(({ path }) => path).filter((path) => /(utils?|helpers?|common|manager|index)\.ts$/.test(path)),
  ).toEqual([]);
});

test('every file says what it is for and fits on a few screens', () => {
  expect(files.filter(({ text }) => !/^(#![^\n]*\n)?\/\*\*/.test(text)).map(({ path }) => path)).toEqual([]);
  expect(files.filter(({ text }) => text.split('\n').length > 301).map(({ path }) => path)).toEqual([]);
});

test('migrations are ASCII, for a database may be in an encoding that knows nothing else', () => {
  const sql = join(process.cwd(), 'sql');
  const others = readdirSync(sql).filter((name) => /[^\0-\x7f]/.test(readFileSync(join(sql, name), 'utf8')));
  expect(others).toEqual([]);
});
