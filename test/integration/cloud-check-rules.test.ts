/** A cloud that breaks one rule of the wire contract hears which one: the checks about this rule fail, and no others. */
import type { BrokenRule } from '../support/broken-rules.js';
import { API_KEY, checkCloud, failedIn, OTHER, whyOf } from '../support/checked-cloud.js';
import { startTinyCloud } from '../support/tiny-cloud.js';

const SAME_CHANGE = 'a change_id that comes again is a duplicate, with the same version';
const OWN_VERSION = 'a duplicate tells the version that it made, not the current one';
const OLD_DELETE = 'a delete that comes again is a duplicate, and takes no later row away';
const HELD_AGAIN = 'a change that was held may come again under its change_id';
const AFTER_OVERTAKEN = '"after" does not help where yet another change came after it';
const AT_ONCE = 'one batch in four requests at the same time is applied once';
const AFTER_FAILED = '"after" a change that was not accepted is held, nothing applied';
const STALE = 'an update on an older version is a conflict with the current row';
const OVER_TOMBSTONE = 'a create with base null over a tombstone is a conflict';
const SUPERSEDED_TOO_LATE = '"supersedes" does not help where yet another change came after it';
const DELETE_UNKNOWN = 'a delete of what the cloud does not have is accepted, with version 1';
const DELETE_TWICE = 'a delete of what is deleted is accepted and changes nothing';
const FORKS = [
  'a push with an older epoch is 409 fork, nothing applied',
  'another install_id at the same epoch is 409 fork, nothing applied',
  'a seq that is known under another change_id is 409 fork',
];
const EVERY_CONFLICT = [
  'a change that was in conflict may come again under its change_id',
  HELD_AGAIN,
  STALE,
  'a create where the cloud has the row already is a conflict',
  'an update where the cloud has nothing is a conflict with version 0',
  'a delete on an older version is a conflict too',
  AFTER_OVERTAKEN,
  AFTER_FAILED,
  SUPERSEDED_TOO_LATE,
  OVER_TOMBSTONE,
];

const ANEW = 'under a higher epoch a seq may come again, and what was applied stays so';
const DAYLESS = 'a time without an offset counts as it is written, a row without one in *';
const FORMS = 'values keep their form: {} and [], "" and blanks, microseconds';
const PAGES_OF_ONE = 'pages of one change bring all that a large page brings';
const MEANWHILE = 'nothing is left out that comes in while pages are fetched';
const SUPERSEDED = 'a change that supersedes one that had arrived is accepted';
const PAGES = 'pages bring rows as they were sent, when they were edited, and deletes';
const MADE_AT = 'updated_at is when the edit was made, not when it arrived';
const FULL = 'a batch of max_batch_changes is taken';
const ALIKE = 'ids that differ in case, blanks, accents, "+", "/" or "%2F" alone are different rows';
const LONG_IDS = 'ids of 2000 bytes that differ at their end are different rows, or are rejected';
const COLUMNS = 'names of columns survive: capitals, dots, "$" and blanks';
const LONG_TEXT = 'a text of 120 kB stays whole';
const SEQS = 'seq and tx keep their digits: two beyond 2^53 are two';
const SUMS = 'a right digest differs in nothing; wrong or missing buckets are named';
const UPDATE_OF_NOTHING = 'an update with base null of what the cloud does not have is accepted';

const RULES: [rule: BrokenRule, failed: string[]][] = [
  ['any key will do', ['an unknown X-API-Key is answered 401: push, changes, one entity, digest']],
  [
    'change ids are forgotten',
    [
      SAME_CHANGE,
      'a batch that comes again under its Idempotency-Key changes nothing',
      OWN_VERSION,
      OLD_DELETE,
      AT_ONCE,
      '"after" may name a change that was applied before',
      AFTER_OVERTAKEN,
      ANEW,
    ],
  ],
  ['a duplicate tells the current version', [OWN_VERSION, OLD_DELETE]],
  ['two requests at once do not see each other', [AT_ONCE]],
  ['there is no lock', EVERY_CONFLICT],
  ['current is left out', EVERY_CONFLICT],
  ['null builds on a tombstone', [OVER_TOMBSTONE]],
  ['a delete of a tombstone counts', [DELETE_TWICE]],
  ['a tombstone is not found', ['a delete is accepted, and GET then shows deleted true', DELETE_UNKNOWN, DELETE_TWICE]],
  ['after is not looked at', [HELD_AGAIN, AFTER_FAILED]],
  ['supersedes is not looked at', [SUPERSEDED]],
  ['supersedes opens the lock', [SUPERSEDED_TOO_LATE]],
  ['numbers are floats', ['numbers keep their digits: 30 of them, 1.10, 64-bit integers', PAGES]],
  ['rows are patched', ['an update replaces the whole row: a column that it lacks is gone']],
  ['unknown fields are refused', ['fields that the contract does not name are ignored']],
  ['gzip is not read', ['a body in gzip is read']],
  ['a bad change takes the others down', ['one bad change (operation "upsert") does not lose the others']],
  ['ids are not decoded', ['a composite key is accepted, and found under its percent-encoded name', ALIKE]],
  ['an older epoch may push', FORKS.slice(0, 1)],
  ['any install may push', FORKS.slice(1, 2)],
  ['a seq may come under another name', FORKS.slice(2)],
  ['a fork does not tell the epoch', FORKS],
  ['a refused push is applied', FORKS],
  ['versions begin at 0', ['versions are 1, 2, 3 …, also over a delete', UPDATE_OF_NOTHING, DELETE_UNKNOWN]],
  ['a strange cursor is the end', ['a cursor that the cloud never gave is answered 400 or 410']],
  [
    'pages are counted from the newest change',
    ["the outlet's own change comes back with its version, or not at all", MEANWHILE],
  ],
  ['a wait is not waited', ['wait=2 keeps the call open while nothing is new']],
  ['the digest counts the deleted', ['digest/entities lists the living rows with their versions']],
  ['the digest keeps still about missing buckets', [SUMS]],
  ['days are those of UTC', ['with a date_field a row belongs to its day in the timezone']],
];

test.each(RULES)('a cloud where %s fails by the checks about it, and by no others', async (rule, failed) => {
  const cloud = await startTinyCloud(API_KEY, rule);
  try {
    expect(failedIn(await checkCloud(cloud.url, { pulled: true }))).toEqual(failed);
  } finally {
    await cloud.stop();
  }
});

/** Rules that different checks are about, so that one cloud may break them all. */
const TOGETHER: [rules: BrokenRule[], failed: string[]][] = [
  [
    [
      'the digest is for everybody',
      'a delete is not remembered',
      'what was held is remembered',
      'an update needs a row',
      'after opens the lock',
      'a tombstone has no version',
      'empty objects become lists',
      'a seq is known for ever',
      'updated_at is when it came',
      'since is refused',
      'what came together has one place',
      'a wait is waited to its end',
      'days without an offset are those of UTC',
    ],
    [
      'an unknown X-API-Key is answered 401: push, changes, one entity, digest',
      OLD_DELETE,
      HELD_AGAIN,
      UPDATE_OF_NOTHING,
      AFTER_OVERTAKEN,
      'a delete is accepted, and GET then shows deleted true',
      FULL,
      FORMS,
      ANEW,
      MADE_AT,
      'the first call may name an instant in since',
      PAGES_OF_ONE,
      PAGES,
      'a call that waits is answered when something arrives',
      DAYLESS,
    ],
  ],
  [
    [
      'texts are trimmed',
      'change ids are forgotten with the epoch',
      'there is never more',
      'rows without a day are nowhere',
    ],
    [FORMS, ANEW, PAGES_OF_ONE, DAYLESS],
  ],
  [
    [
      'only the first of supersedes counts',
      'a full batch is one too many',
      'ids have no case',
      'columns have no capitals',
      'seqs are floats',
      'old edits are refused',
      'sums are signed',
    ],
    [SUPERSEDED, FULL, ALIKE, COLUMNS, SEQS, MADE_AT, PAGES, SUMS],
  ],
  [
    ['ids are cut at 255', 'texts are cut at 64 KiB'],
    [LONG_IDS, LONG_TEXT],
  ],
  [
    ['instants lose their microseconds', 'late commits are passed over'],
    [FORMS, PAGES_OF_ONE, MEANWHILE],
  ],
];

test.each(TOGETHER)('a cloud where %j fails by the checks about each, and by no others', async (rules, failed) => {
  const cloud = await startTinyCloud(API_KEY, ...rules);
  try {
    expect(failedIn(await checkCloud(cloud.url, { pulled: true }))).toEqual(failed);
  } finally {
    await cloud.stop();
  }
});

const DIGEST_APART = "a digest counts the outlet's own rows alone";
const FEED_APART = 'a pull brings no row of the other outlet, whatever its cursor';
const UNSEEN = 'the row of one outlet is 404 for the other, row and version';

/** What a second outlet alone finds, in the words that the cloud's author reads. */
const FORGETFUL: [rules: BrokenRule[], failed: [name: string, why: RegExp][]][] = [
  [
    ['keys forget the outlet'],
    [
      ['one entity_id of two outlets is two rows', /^a create of outlet other-outlet under an id that .* "conflict"/],
      [UNSEEN, /asked for by outlet other-outlet, gave HTTP 200, not 404\. Or does head office share .*--shared$/],
      [DIGEST_APART, /^in the list of outlet test-outlet a row of outlet other-outlet is listed .*; it must not be/],
    ],
  ],
  [
    ['living copies forget the outlet'],
    [
      [
        'two outlets push in turn, each with its own install_id and epoch',
        /^a push of outlet test-outlet behind one of outlet other-outlet was answered 409/,
      ],
    ],
  ],
  [
    [
      'change ids forget the outlet',
      'seqs forget the outlet',
      'answers are kept by Idempotency-Key alone',
      'the feed forgets the outlet',
      'the digest lists the rows of all outlets',
    ],
    [
      [
        'the same epoch and seq of two outlets are no fork',
        /^a push of outlet other-outlet behind one of outlet test-outlet was answered 409/,
      ],
      ['an Idempotency-Key that the other outlet used answers nothing', /^the change has no result, not one$/],
      [
        'a change_id that the other outlet used settles no row that is not there',
        /was answered "duplicate", but GET of the row of outlet other-outlet gave HTTP 404, .* missing for good$/,
      ],
      [FEED_APART, /^a pull of outlet other-outlet from the beginning brings .*, a row of outlet test-outlet/],
      [DIGEST_APART, /^in the list of outlet test-outlet a row of outlet other-outlet is listed/],
    ],
  ],
  [
    [
      'a row is shown to every outlet',
      'a cursor opens its own feed to all',
      'any push ends a wait',
      'the digest counts the rows of all outlets',
    ],
    [
      [UNSEEN, /gave HTTP 200, not 404/],
      [
        FEED_APART,
        /^a cursor of outlet test-outlet, sent by outlet other-outlet, brings .*, a row of outlet test-outlet/,
      ],
      [
        'a call that waits is not ended by a push of the other outlet',
        /^it was answered after \d+ ms with nothing new, as outlet other-outlet had pushed/,
      ],
      [DIGEST_APART, /^a digest that was reckoned from the cloud's own list is named as different/],
    ],
  ],
];

test.each(FORGETFUL)('a cloud where %j is found out by a second outlet, and by nothing else', async (rules, failed) => {
  const cloud = await startTinyCloud(API_KEY, ...rules);
  try {
    const checked = await checkCloud(cloud.url, { pulled: true, other: OTHER });
    expect(failedIn(checked)).toEqual(failed.map(([name]) => name));
    for (const [name, why] of failed) expect(whyOf(checked, name)).toMatch(why);
  } finally {
    await cloud.stop();
  }
});

test('the same cloud without a broken rule fails in nothing, also when it is checked again, with keys of either reach', async () => {
  const cloud = await startTinyCloud(API_KEY);
  try {
    for (const [apiKey, others, opens] of [
      [`${API_KEY}-test-outlet`, API_KEY, 'opens'],
      [API_KEY, `${API_KEY}-other-outlet`, 'does not open'],
    ] as const) {
      const checked = await checkCloud(cloud.url, { pulled: true, apiKey, other: { ...OTHER, apiKey: others } });
      expect(failedIn(checked)).toEqual([]);
      const notes = checked.flatMap(({ outcome }) => (outcome.kind === 'ok' ? [outcome.note] : []));
      expect(notes).toContain(`the key of outlet other-outlet ${opens} outlet test-outlet`);
    }
  } finally {
    await cloud.stop();
  }
});

test('an outlet that was in use and is not told its epoch is checked all the same', async () => {
  const cloud = await startTinyCloud(API_KEY, 'a fork does not tell the epoch');
  try {
    await checkCloud(cloud.url);
    const again = await checkCloud(cloud.url);
    expect(failedIn(again)).toEqual(['a new install may push, or is told the epoch that holds', ...FORKS]);
  } finally {
    await cloud.stop();
  }
});
