/** The files for Prometheus and Grafana: promtool takes the rules and proves when they fire, and every metric they ask for is there. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Metrics } from '../../src/ops/figures/metrics.js';
import { judge } from '../../src/ops/status/verdict.js';
import { RULES as STATUS_RULES, shopFacts } from '../support/facts.js';

const RULES = 'systemd/prometheus/syncd.rules.yml';
const BOARD = 'systemd/grafana/syncd-dashboard.json';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'syncd-promtool-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const promtool = (...words: string[]): string =>
  execFileSync('promtool', words, { cwd: directory, encoding: 'utf8', stdio: 'pipe' });

/** Every metric of a full scrape, with the three that a histogram is made of. */
async function metricsOfAScrape(): Promise<Map<string, string>> {
  const metrics = new Metrics();
  metrics.notePush([{ entity_type: 'order', outcome: 'accepted' }], 20);
  metrics.noteWebhooks(new Map([['update 202', 1]]));
  const facts = shopFacts();
  const figures = {
    told: { facts, rules: STATUS_RULES, report: judge(facts, STATUS_RULES) },
    depth: [{ entity: 'order', status: 'pending' as const, changes: 1 }],
    drift: [{ entity: 'order', drifted: false }],
    conflicts: [{ strategy: 'manual', conflicts: 1 }],
    notifyQueue: 0,
    pulled: 1,
  };
  const text = await metrics.render(figures, { leads: true, standing: { kind: 'online' }, awayMs: 0 });
  const kinds = new Map<string, string>();
  for (const [, name = '', kind = ''] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    if (kind === 'histogram') for (const part of ['bucket', 'sum', 'count']) kinds.set(`${name}_${part}`, 'counter');
    else kinds.set(name, kind);
  }
  return kinds;
}

const asked = (expression: string) => [...expression.matchAll(/\bsyncd_\w+/g)].map(([name]) => name);

test('promtool takes the alert rules, and they fire when they should and not else', () => {
  copyFileSync(RULES, join(directory, 'syncd.rules.yml'));
  copyFileSync('test/prometheus/syncd.rules.test.yml', join(directory, 'syncd.rules.test.yml'));
  expect(promtool('check', 'rules', 'syncd.rules.yml')).toMatch(/SUCCESS: 15 rules found/);
  expect(promtool('test', 'rules', 'syncd.rules.test.yml')).toMatch(/SUCCESS/);
});

test('The rules and the board ask for metrics that a scrape has, and leave none of them out', async () => {
  const kinds = await metricsOfAScrape();
  const wanted = new Set(
    [...asked(readFileSync(RULES, 'utf8')), ...asked(readFileSync(BOARD, 'utf8'))].filter(
      (name) => name !== 'syncd_read_token',
    ),
  );
  expect([...wanted].filter((name) => !kinds.has(name))).toEqual([]);
  const shown = asked(readFileSync(BOARD, 'utf8'));
  expect([...kinds.keys()].filter((name) => !shown.includes(name) && !/_(sum|count)$/.test(name))).toEqual([]);
});

type Panel = {
  id: number;
  type: string;
  title: string;
  description: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets: { expr: string }[];
};

test('Prometheus understands every expression of the board, and only what counts up is asked for its rate', async () => {
  const { panels } = JSON.parse(readFileSync(BOARD, 'utf8')) as { panels: Panel[] };
  const kinds = await metricsOfAScrape();
  const expressions = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  expect(expressions.length).toBeGreaterThan(20);
  const rules = expressions.map((expr, n) => ({
    record: `board:${n}`,
    expr: expr.replaceAll('$__rate_interval', '5m'),
  }));
  writeFileSync(join(directory, 'board.yml'), JSON.stringify({ groups: [{ name: 'board', rules }] }));
  expect(promtool('check', 'rules', 'board.yml')).toMatch(new RegExp(`SUCCESS: ${expressions.length} rules found`));
  for (const expr of expressions) {
    for (const [, name = ''] of expr.matchAll(/\b(?:rate|increase)\((syncd_\w+)/g))
      expect([name, kinds.get(name)]).toEqual([name, 'counter']);
  }
});

test('The panels of the board have names and words, numbers of their own, and do not cover each other', () => {
  const { panels } = JSON.parse(readFileSync(BOARD, 'utf8')) as { panels: Panel[] };
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  expect(panels.filter(({ title, description }) => !title || !description)).toEqual([]);
  const taken = new Set<string>();
  for (const { gridPos } of panels) {
    expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        expect(taken.has(`${x},${y}`)).toBe(false);
        taken.add(`${x},${y}`);
      }
    }
  }
});
