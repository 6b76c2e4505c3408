/** Every screen in both languages, on a phone and on a wide screen, in light and in dark: drawn, free of faults, reachable for everybody. */
import type { Browser } from 'playwright-core';
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
import { calm, outage, trouble } from './scenes.js';
import { openStage, type Stage } from './stage.js';

const LOOKS = [
  { language: 'id', width: 360 },
  { language: 'en', width: 360 },
  { language: 'id', width: 1280 },
  { language: 'en', width: 1280 },
] as const;

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

  /** In both colours; axe looks at one language of each size, and once in the dark, for words change no contrast. */
  async function lookAt(visit: Visit, name: string, look: (typeof LOOKS)[number]): Promise<void> {
    const { page } = visit;
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme });
      await screenshot(visit, `${name}-${look.language}-${look.width}-${colorScheme}`);
      const examined = look.language === 'id' ? look.width === 360 : look.width === 1280 && colorScheme === 'light';
      if (examined) expect([name, await violations(visit)]).toEqual([name, []]);
    }
    const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
    expect({ name, fits: overflow <= 0, overflow }).toMatchObject({ name, fits: true });
  }

  test.each(LOOKS)(
    '$language at $width px',
    async (look) => {
      const visit = await openPage(browser, look);
      await visit.page.goto(stage.page);
      await visit.page.waitForSelector('form');
      await lookAt(visit, 'sign-in', look);
      await calm(stage);
      await signIn(visit, stage.page, stage.token);
      await goTo(visit, '#/');
      await lookAt(visit, 'home-calm', look);
      await outage(stage);
      await visit.page.waitForSelector('.answer.tone-waiting');
      await lookAt(visit, 'home-outage', look);
      await visit.page.locator('.menu button').first().click();
      await lookAt(visit, 'menu', look);
      await visit.page.keyboard.press('Escape');
      await visit.page.locator('.answer .button:not(.main)').click();
      await lookAt(visit, 'dialog', look);
      await visit.page.keyboard.press('Escape');
      await trouble(stage);
      await visit.page.waitForSelector('.answer.tone-attention');
      for (const [name, hash] of SCREENS) {
        await goTo(visit, hash);
        await lookAt(visit, name, look);
      }
      expect(visit.complaints).toEqual([]);
    },
    60_000,
  );
});
