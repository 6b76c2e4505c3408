/** What a person does in the dashboard, with the real admin port behind it, and what stands in the tables afterwards. */
import type { Browser, Page } from 'playwright-core';
import { eventually } from '../support/eventually.js';
import { describeInChromium, goTo, openBrowser, openPage, signIn, type Visit } from './browser.js';
import { calm, outage, trouble } from './scenes.js';
import { openStage, type Stage } from './stage.js';

describeInChromium('what a person does', () => {
  let stage: Stage;
  let browser: Browser;
  let visit: Visit;
  let page: Page;
  beforeAll(async () => {
    [stage, browser] = await Promise.all([openStage(), openBrowser()]);
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await stage?.close();
  });
  beforeEach(async () => {
    visit = await openPage(browser, { language: 'en' });
    page = visit.page;
  });
  afterEach(async () => {
    await visit.context.close();
    expect(visit.complaints).toEqual([]);
  });

  const heading = () => page.locator('.answer h1');
  const button = (name: string | RegExp) => page.getByRole('button', { name });
  const told = (words: string | RegExp) => page.getByRole('status').getByText(words).first().waitFor();
  const rows = async (text: string) => (await stage.sql.query(text)).rows;
  const commands = () => rows('SELECT command, requested_by FROM syncd.commands ORDER BY id');

  test('a wrong token is said plainly, and the right one opens', async () => {
    await calm(stage);
    await page.goto(stage.page);
    await page.fill('input[type=password]', 'not-the-token');
    await button('Open').click();
    await page.getByRole('alert').getByText('This token is not the right one.').waitFor();
    expect(await page.evaluate('sessionStorage.length')).toBe(0);
    await page.fill('input[type=password]', stage.token);
    await button('Open').click();
    await heading().getByText('All sales are in the cloud').waitFor();
    expect(await page.evaluate('[sessionStorage.length, localStorage.length, document.cookie]')).toEqual([1, 0, '']);
    await page.reload();
    await heading().getByText('All sales are in the cloud').waitFor();
    await button('Settings').click();
    await button('Sign out').click();
    await page.waitForSelector('input[type=password]');
    expect(await page.evaluate('sessionStorage.length')).toBe(0);
  });

  test('a token that only looks is shown everything and offered nothing', async () => {
    await trouble(stage);
    await signIn(visit, stage.page, stage.readToken);
    await page.getByText('Look only').waitFor();
    for (const hash of ['#/', '#/queue/failed', '#/conflicts', '#/conflicts/1', '#/entity/order/42']) {
      await goTo(visit, hash);
      expect(await button(/Retry|Give up|Try now|Pause|Apply|Send again|Fetch/).count()).toBe(0);
      expect(await page.getByRole('checkbox').count()).toBe(0);
    }
  });

  test('try now and pause act, the new state shows by itself', async () => {
    await outage(stage);
    await signIn(visit, stage.page, stage.token);
    await heading()
      .getByText(/^12 changes wait since .* because the connection to the cloud is down$/)
      .waitFor();
    await page.getByText(/^Next try in \d+ s\.$/).waitFor();
    await button('Try now').click();
    await told('The till tries now.');
    await button('Pause sending').click();
    await page.getByRole('dialog').getByLabel('Reason').fill('stock-taking');
    await page.keyboard.press('Enter');
    await told('Sending is paused.');
    await heading()
      .getByText(/because sending is paused$/)
      .waitFor();
    await button('Resume sending').click();
    await told('Sending goes on.');
    expect(await commands()).toMatchObject([{ command: 'now' }, { command: 'pause' }, { command: 'resume' }]);
    await stage.sql.query(
      `UPDATE syncd.sync_queue SET status = 'synced', settled_as = 'accepted', synced_at = now() WHERE status = 'pending'`,
    );
    await stage.sql.query(
      'UPDATE syncd.daemon SET online = true, offline_since = NULL, last_error = NULL, next_try_at = NULL',
    );
    await heading().getByText('All sales are in the cloud').waitFor();
  });

  test('failed changes are tried again, one and all, or given up with a reason', async () => {
    await trouble(stage);
    await signIn(visit, stage.page, stage.token);
    await goTo(visit, '#/queue/failed');
    await page.getByText('bad_total: the total is not the sum of its lines').waitFor();
    await button(/^Give up.*payment 4411$/).click();
    await page.getByRole('dialog').getByLabel('Reason').fill('a test payment');
    await page.keyboard.press('Enter');
    await told('Given up, and on record.');
    await button(/^Retry.*order JKT-014-000871$/).click();
    await told('1 change goes out again.');
    await page.getByText('bad_total').waitFor({ state: 'detached' });
    await button('Retry all').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Retry all' }).click();
    await page.getByText('Nothing has failed.').waitFor();
    expect((await commands()).map(({ command }) => command)).toEqual(['discard', 'retry', 'retry']);
  });

  test('a conflict is settled field by field, with a value of one’s own, by keyboard alone', async () => {
    await trouble(stage);
    await signIn(visit, stage.page, stage.token);
    await goTo(visit, '#/conflicts');
    await page.getByRole('link', { name: /product 1/ }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('radio', { name: /Value for name: Shop/ }).focus();
    await page.keyboard.press('ArrowRight');
    await page.getByLabel('Own value: price').focus();
    await page.keyboard.type('25750.25');
    const preview = page.locator('.preview');
    expect(await preview.textContent()).toMatch(/Kopi Susu Aren 1[\s\S]*Rp\s25,750\.25/);
    await page.getByLabel(/^Note/).fill('asked the owner');
    await page.keyboard.press('Enter');
    await told('Resolved.');
    await page.getByText('values chosen by hand').waitFor();
    expect(await rows('SELECT name, price::text, note FROM products WHERE id = 1')).toEqual([
      { name: 'Kopi Susu Aren 1', price: '25750.25', note: 'gula aren' },
    ]);
    expect(await rows(`SELECT resolution, reason FROM syncd.sync_conflicts WHERE id = 1`)).toEqual([
      { resolution: 'data', reason: 'asked the owner' },
    ]);
  });

  test('a thousand conflicts are listed in pages and settled together', async () => {
    await trouble(stage, 1_000);
    await signIn(visit, stage.page, stage.token);
    await goTo(visit, '#/conflicts');
    expect(await page.locator('.conflicts li').count()).toBe(50);
    await button('Next').click();
    await page.getByRole('link', { name: /product 51/ }).waitFor();
    await page.getByRole('checkbox', { name: 'Select: product 51' }).check();
    await page.getByRole('combobox', { name: 'How' }).selectOption('local_wins');
    await button('Apply').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Apply' }).click();
    await told('1 resolved.');
    await stage.sql.query(
      `UPDATE syncd.sync_conflicts SET status = 'resolved', resolved_at = now(), resolved_by = 'syncd' WHERE id > 60 AND status = 'open'`,
    );
    await page.locator('.tab-count').getByText('59').waitFor();
    await button(/^All open ones/).click();
    await page.getByRole('dialog').getByText('59 conflicts').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Apply' }).click();
    await page.getByText('Shop and cloud agree everywhere.').waitFor();
    const left = await rows(`SELECT count(*)::int AS open FROM syncd.sync_conflicts WHERE status = 'open'`);
    expect(left).toEqual([{ open: 0 }]);
  });

  test('the log follows by itself, a record’s history shows what was sent and answered', async () => {
    await trouble(stage);
    await signIn(visit, stage.page, stage.token);
    await goTo(visit, '#/log');
    await stage.sql.query(
      `INSERT INTO syncd.sync_logs (direction, outcome, changes, accepted, duration_ms, error) VALUES ('push', 'refused', 7, 0, 12, 'the key was revoked')`,
    );
    await page.getByText('the key was revoked').waitFor();
    await goTo(visit, '#/entity/order/42');
    await page.locator('summary').first().click();
    await page.getByText('JKT-014-000042').first().waitFor();
    expect(await page.locator('.timeline').textContent()).toMatch(
      /busy: later[\s\S]*Rp\s125,000[\s\S]*refused[\s\S]*accepted/,
    );
  });

  test('a row that the cloud holds otherwise is not called settled, and a queue of failed changes not one of none', async () => {
    await trouble(stage);
    await stage.sql.query(
      `INSERT INTO syncd.incoming (inbox_id, source, entity_type, entity_id, operation, status, reason, next_attempt_at) VALUES
         (1, 'pull', 'product', 'p1', 'update', 'parked', 'value too long', NULL),
         (1, 'webhook', 'product', 'p2', 'hint', 'waiting', NULL, now() + interval '4 minutes')`,
    );
    await signIn(visit, stage.page, stage.token);
    const standing = async (id: string) => {
      await goTo(visit, `#/entity/product/${id}`);
      await page.getByRole('heading', { name: `product ${id}` }).waitFor();
      await page.waitForSelector('.notice');
      return [await page.locator('.card-head .badge').textContent(), await page.locator('.notice').textContent()];
    };
    expect(await standing('p1')).toEqual(['not as in the cloud', 'Cannot be used in the shop: value too long']);
    expect(await standing('p2')).toEqual([
      'waiting',
      expect.stringMatching(/^Something newer from the cloud waits: next try \d\d:\d\d$/),
    ]);
    await goTo(visit, '#/queue');
    await page.getByRole('link', { name: /^Not in the cloud$/ }).waitFor();
    expect(await page.locator('tbody tr').count()).toBeGreaterThan(6);
  });

  test('a lost connection is shown, and heals by itself', async () => {
    await calm(stage);
    await signIn(visit, stage.page, stage.token);
    await heading().getByText('All sales are in the cloud').waitFor();
    await page.getByText('in 3 interruptions').waitFor();
    await stage.goAway();
    await page.getByText(/^No connection to the till since/).waitFor();
    await heading().getByText('Not known right now').waitFor();
    expect(await page.locator('.answer').textContent()).toMatch(/Last known at .*: All sales are in the cloud\./);
    await outage(stage);
    await stage.comeBack();
    await heading()
      .getByText(/^12 changes wait/)
      .waitFor({ timeout: 20_000 });
    expect(await page.getByText(/^No connection to the till since/).count()).toBe(0);
    // What could not be had meanwhile is asked for again as well.
    await stage.goAway();
    await page.getByText(/^No connection to the till since/).waitFor();
    await page.evaluate("location.hash = '#/health'");
    await page.getByText('The till does not answer.').first().waitFor();
    await stage.comeBack();
    await page.locator('.checks li').first().waitFor({ timeout: 20_000 });
    expect(await page.getByText('The till does not answer.').count()).toBe(0);
  }, 60_000);

  test('a hundred thousand changes that wait cost the page no more than fifty', async () => {
    await calm(stage);
    await stage.sql.query(
      `INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload) SELECT 'order', n::text, 'create', '{}' FROM generate_series(1, 100000) n`,
    );
    await signIn(visit, stage.page, stage.token);
    await heading().getByText('100,000 changes are on the way').waitFor();
    await goTo(visit, '#/queue');
    await eventually(
      () => page.locator('tbody tr').count(),
      (count) => count === 50,
      'a page of the queue',
    );
    await button('Next').click();
    await page.getByRole('link', { name: 'order 51', exact: true }).waitFor();
  });
});
