/** What a cloud serves beside one entity, its pages and its conflicts: a right row under /entities proves nothing about those. */
import { entity } from '../../src/cloud-check/chapters/entity.js';
import { feed } from '../../src/cloud-check/chapters/feed.js';
import type { BrokenRule } from '../support/broken-rules.js';
import { API_KEY, checkCloud, failedIn, testOutlet } from '../support/checked-cloud.js';
import { startTinyCloud } from '../support/tiny-cloud.js';

async function outcomeOf(name: string, ...rules: BrokenRule[]) {
  const cloud = await startTinyCloud(API_KEY, ...rules);
  try {
    const check = [...feed, ...entity.checks].find((one) => one.name === name);
    return await check?.run(testOutlet(cloud.url, { pulled: true }));
  } finally {
    await cloud.stop();
  }
}

const PAGES = 'pages bring rows as they were sent, when they were edited, and deletes';
const MADE_AT = 'updated_at is when the edit was made, not when it arrived';

test.each<[rule: BrokenRule, check: string, why: RegExp]>([
  [
    'numbers in pages are floats',
    PAGES,
    /^the row does not come as it was sent: amount was sent as 123.*890 and came back/,
  ],
  ['pages bring only what changed', PAGES, /^the row does not come as it was sent: id is missing$/],
  ['pages bring no deletes', PAGES, /^the delete of .* does not come, though other changes .* would miss it$/],
  [
    'pages tell when they were made',
    PAGES,
    /^an edit of .* has updated_at .*: it would win over edits that are newer$/,
  ],
  [
    'a conflict tells when it was found',
    MADE_AT,
    /^in a conflict an edit of .*: it would win over edits that are newer$/,
  ],
])('a cloud where %s is told so', async (rule, check, why) => {
  expect(await outcomeOf(check, rule)).toMatchObject({ kind: 'fail', why: expect.stringMatching(why) });
});

test.each([PAGES, MADE_AT])('%s: a right cloud', async (check) => {
  expect(await outcomeOf(check)).toEqual({ kind: 'ok', note: null });
});

test.each(['pages name no operation', 'pages have no rows'] as const)(
  'a cloud where %s is told so by its first page',
  async (rule) => {
    const cloud = await startTinyCloud(API_KEY, rule);
    try {
      expect(failedIn(await checkCloud(cloud.url, { pulled: true }))).toContain('GET /sync/changes answers a page');
    } finally {
      await cloud.stop();
    }
  },
);
