/** Texts from data are only ever text; the page is quick, small, still, and lets nothing in from elsewhere. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Browser } from 'playwright-core';
import { describeInChromium, goTo, openBrowser, openPage, signIn } from './browser.js';
import { calm, trouble } from './scenes.js';
import { openStage, type Stage } from './stage.js';

/** Would run if any part of the page took it for markup, an address, a style or a script. */
const EVIL = `"><img src=x onerror="globalThis.owned=1"><script>globalThis.owned=1</script><svg/onload=globalThis.owned=1> javascript:owned=1 {{owned}} \u202e`;
const BUDGET = { gzipped: 120_000, firstPaintMs: 300, shift: 0.02 };

describeInChromium('what could harm a reader', () => {
  let stage: Stage;
  let browser: Browser;
  beforeAll(async () => {
    [stage, browser] = await Promise.all([openStage(), openBrowser()]);
  }, 60_000);
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
  });
  afterAll(async () => {
    await browser?.close();
    await stage?.close();
  });

  async function plant(): Promise<void> {
    await trouble(stage);
    const evil = [EVIL];
    const json = JSON.stringify({ id: 1, name: EVIL, price: 1, [EVIL]: EVIL });
    for (const statement of [
      `UPDATE syncd.sync_queue SET error_message = $1 WHERE status <> 'synced'`,
      `UPDATE syncd.sync_queue SET entity_id = $1 WHERE status = 'failed'`,
      `UPDATE syncd.sync_logs SET error = $1, outcome = $1`,
      `UPDATE syncd.outages SET reason = $1`,
      `UPDATE syncd.capture SET table_name = $1, drift = $1, drift_kind = 'columns', drift_at = now(), drift_hint = $1`,
      `UPDATE syncd.daemon SET online = false, offline_since = now() - interval '2 hours', last_error = $1, refused = $1, pull_error = $1`,
      `UPDATE syncd.entity_state SET cloud_id = $1`,
      `UPDATE syncd.sync_conflicts SET reason = $1, strategy = $1, entity_id = $1 WHERE id = 1`,
      `UPDATE syncd.sync_conflicts SET resolved_by = $1, reason = $1, strategy = $1 WHERE status = 'resolved'`,
      `INSERT INTO syncd.incoming (inbox_id, source, entity_type, entity_id, operation, status, reason) VALUES (1, 'pull', 'order', '42', 'update', 'parked', $1)`,
    ]) {
      await stage.sql.query(statement, evil);
    }
    await stage.sql.query(
      `UPDATE syncd.sync_conflicts SET base = $1, local = $1, cloud = $2, result = CASE WHEN status = 'resolved' THEN $2::json END, fields = ARRAY['name', $3]`,
      [json, json.replace('"id":1', '"id":1,"x":1'), EVIL],
    );
    await stage.sql.query(`UPDATE syncd.sync_queue SET payload = $1, previous = $1 WHERE entity_id = '42'`, [json]);
  }

  test('a row with markup in every field is shown as it is written', async () => {
    await plant();
    const visit = await openPage(browser, { language: 'en' });
    const { page } = visit;
    await signIn(visit, stage.page, stage.token);
    for (const hash of [
      '#/',
      '#/queue/failed',
      '#/queue',
      '#/conflicts',
      '#/conflicts/1',
      '#/conflicts/4',
      '#/log',
      '#/entity/order/42',
      '#/health',
      `#/entity/order/${encodeURIComponent(EVIL)}`,
    ]) {
      await goTo(visit, hash);
      for (const details of await page.locator('main details').all())
        await details.evaluate('(one) => { one.open = true; }');
      expect([hash, await page.locator('main').textContent()]).toEqual([hash, expect.stringContaining('<img src=x')]);
      expect(await page.locator('main img, main script, main a[href^="javascript"]').count()).toBe(0);
    }
    expect(await page.evaluate('globalThis.owned')).toBeUndefined();
    expect(visit.complaints).toEqual([]);
  });

  test('the page comes with a policy that lets nothing else in, and is kept by its digest', async () => {
    const page = await stage.ask('/', { token: null });
    const policy = page.headers['content-security-policy'] ?? '';
    expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self'/);
    expect(policy).not.toMatch(/unsafe|https?:|\*|data:/);
    const again = await stage.ask('/', { token: null, headers: { 'if-none-match': page.headers.etag } });
    expect(again).toMatchObject({ status: 304, text: '' });
    const parts = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path as string);
    expect(parts.length).toBeGreaterThan(3);
    for (const path of parts) {
      expect(path).toMatch(/^\/assets\/\w+-[0-9a-f]{10}\.(js|css|svg)$/);
      const part = await stage.ask(path, { token: null });
      expect(part).toMatchObject({ status: 200, headers: { 'cache-control': 'public, max-age=31536000, immutable' } });
    }
    for (const path of ['/assets/index.html', '/assets/..%2f..%2fpackage.json', '/assets/none.js'])
      expect([path, (await stage.ask(path, { token: null })).status]).toEqual([path, 404]);
  });

  test('all of it together is small', () => {
    const built = join('dist', 'dashboard');
    const sizes = readdirSync(built).map((name) => gzipSync(readFileSync(join(built, name)), { level: 9 }).length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(BUDGET.gzipped);
  });

  test('it is painted at once, and nothing moves when the figures come', async () => {
    await calm(stage);
    const visit = await openPage(browser, { width: 360 });
    const { page } = visit;
    await signIn(visit, stage.page, stage.token);
    const paints: number[] = [];
    for (let visits = 0; visits < 5; visits++) {
      await page.reload();
      await page.waitForSelector('.chart-legend');
      await page.waitForSelector('#outages');
      expect(await page.evaluate('globalThis.shifted')).toBeLessThan(BUDGET.shift);
      paints.push(await page.evaluate<number>(`performance.getEntriesByName('first-contentful-paint')[0].startTime`));
    }
    // The quickest of five: the others tell how busy the machine is.
    expect(Math.min(...paints)).toBeLessThan(BUDGET.firstPaintMs);
    expect(visit.complaints).toEqual([]);
  });
});
