/**
 * Debian's Chromium, and pages in it that fail the test for whatever the page's own policy forbids, for an error in a script and
 * for a word on the console. Without Chromium the tests are skipped, and say so.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import axe from 'axe-core';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

const PROGRAM = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) => existsSync(path));
const SCREENSHOTS = join('test', 'browser', 'screenshots');

/** `describe`, or a skipped one where there is no Chromium. */
export const describeInChromium = PROGRAM === undefined ? describe.skip : describe;

export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: PROGRAM as string, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

export type Look = { language?: 'id' | 'en'; width?: number; dark?: boolean };

export type Visit = { page: Page; context: BrowserContext; complaints: string[] };

/** What the page's policy forbids is said aloud; what moves by itself is added up, as browsers reckon it for whoever rates pages. */
const WATCH = `
  addEventListener('securitypolicyviolation', (event) => console.error('CSP: ' + event.violatedDirective + ' ' + event.blockedURI));
  globalThis.shifted = 0;
  new PerformanceObserver((list) => {
    for (const shift of list.getEntries()) if (!shift.hadRecentInput) globalThis.shifted += shift.value;
  }).observe({ type: 'layout-shift', buffered: true });`;

/** What the browser says when the till is switched off, or a token is wrong, is no fault of the page. */
const EXPECTED = /^Failed to load resource/;

export async function openPage(
  browser: Browser,
  { language = 'id', width = 1280, dark = false }: Look,
): Promise<Visit> {
  const context = await browser.newContext({
    viewport: { width, height: width < 600 ? 780 : 860 },
    locale: language === 'id' ? 'id-ID' : 'en-GB',
    colorScheme: dark ? 'dark' : 'light',
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !EXPECTED.test(message.text()))
      complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.addInitScript(WATCH);
  return { page, context, complaints };
}

export async function signIn({ page }: Visit, url: string, token: string): Promise<void> {
  await page.goto(url);
  await page.fill('input[type=password]', token);
  await page.keyboard.press('Enter');
  await page.waitForSelector('.answer:not([aria-busy])');
}

/** Goes to a screen and waits until it has what it asked for. */
export async function goTo({ page }: Visit, hash: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  await page.waitForSelector('[aria-busy=true]', { state: 'detached' });
}

/** Every violation of WCAG 2.2 A and AA that axe finds, in words. */
export async function violations({ page }: Visit): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(axe.source);
  const { violations: found } = (await page.evaluate(`axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'], resultTypes: ['violations'] })`)) as axe.AxeResults;
  return found.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary}`),
  );
}

export async function screenshot({ page }: Visit, name: string): Promise<void> {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
}
