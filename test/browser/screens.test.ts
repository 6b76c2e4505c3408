/** Every screen in both languages, on a phone and on a wide screen, in light and in dark: drawn, free of faults, reachable for everybody. */
import type { Browser } from 'playwright-core';
import { eventually } from '../support/eventually.js';
import {
  describeInChromium,
  goTo,
  openBrowser,
  openPage,
  screenshot,
  signIn,
  type Visit,
  violations,
} from './browser.js';
import { calm, installed, outage, trouble } from './scenes.js';
import { openStage, type Stage } from './stage.js';

const WIDTHS = [360, 1280] as const;
type Language = 'id' | 'en';

const SCREENS: [name: string, hash: string][] = [
  ['home', '#/'],
  ['queue', '#/queue'],
  ['failed', '#/queue/failed'],
  ['sent', '#/queue/synced'],
  ['conflicts', '#/conflicts'],
  ['conflict', '#/conflicts/1'],
  ['resolved', '#/conflicts/4'],
  ['log', '#/log'],
  ['entity', '#/entity/order/42'],
  ['health', '#/health'],
];

describeInChromium('the screens', () => {
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

  /** On both widths in both colours; axe looks at each language once, the one small and dark, the other wide and light. */
  async function lookAt(visit: Visit, name: string, language: Language): Promise<void> {
    const { page } = visit;
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: width < 600 ? 780 : 860 });
      for (const colorScheme of ['dark', 'light'] as const) {
        await page.emulateMedia({ colorScheme });
        await screenshot(visit, `${name}-${language}-${width}-${colorScheme}`);
        const examined =
          language === 'id' ? width === 360 && colorScheme === 'dark' : width === 1280 && colorScheme === 'light';
        if (examined) expect([name, await violations(visit)]).toEqual([name, []]);
      }
      await mustFit(visit, name, width);
    }
    if (language !== 'id') return;
    // Letters of twice the size on a phone: to the page that is half the width.
    await page.setViewportSize({ width: 180, height: 390 });
    await mustFit(visit, name, 180);
  }

  async function mustFit({ page }: Visit, name: string, width: number): Promise<void> {
    // The charts take the new width a moment after the page has it.
    await eventually(
      () => page.evaluate<number>('document.documentElement.scrollWidth - innerWidth'),
      (overflow) => overflow <= 0,
      `${name} fits into ${width} pixels`,
      3_000,
    );
  }

  test.each(['id', 'en'] as const)(
    '%s',
    async (language) => {
      const visit = await openPage(browser, { language });
      const look = (name: string) => lookAt(visit, name, language);
      await visit.page.goto(stage.page);
      await visit.page.waitForSelector('form');
      await look('sign-in');
      await calm(stage);
      await signIn(visit, stage.page, stage.token);
      await goTo(visit, '#/');
      await look('home-calm');
      await installed(stage);
      await visit.page.waitForSelector('.answer code');
      await look('home-installed');
      await outage(stage);
      await visit.page.waitForSelector('.answer.tone-waiting');
      await look('home-outage');
      await visit.page.locator('.menu button').first().click();
      await look('menu');
      await visit.page.keyboard.press('Escape');
      await visit.page.locator('.answer .button:not(.main)').click();
      await look('dialog');
      await visit.page.keyboard.press('Escape');
      await trouble(stage);
      await visit.page.waitForSelector('.answer.tone-attention');
      for (const [name, hash] of SCREENS) {
        await goTo(visit, hash);
        await look(name);
      }
      // The last screen is that of the doctor: each check says in the reader's language what it looks at.
      const checks = await visit.page.locator('.checks li').count();
      expect(checks).toBeGreaterThan(15);
      expect(await visit.page.locator('.checks .about').count()).toBe(checks);
      expect(visit.complaints).toEqual([]);
    },
    60_000,
  );
});
