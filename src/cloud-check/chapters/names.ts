/** What a cloud's database, or the framework before it, takes for the same though it differs, or finds too long. */
import { type Chapter, type Check, type Fault, skipped, verdictOf } from '../check.js';
import { mustHold } from '../judge-entity.js';
import { mustBe, mustBeAccepted, versionMade } from '../judge-push.js';
import type { Change, PushExchange, TestOutlet } from '../test-outlet.js';

const KEY = {
  where: 'Conventions',
  says: 'Ids and types are compared byte by byte: A and a, "7" and "7 " are two.',
};

/** Each is taken for another one somewhere: collations, unpadded comparison, normal forms, a path that is decoded twice or as a form. */
const ALIKE = ['k', 'K', 'k ', 'é', 'e\u0301', 'a b', 'a+b', 'a/b', 'a%2Fb'];

/** Every create that was accepted is a row of its own. */
async function eachKept(outlet: TestOutlet, pushed: PushExchange): Promise<(Fault | undefined)[]> {
  const faults: (Fault | undefined)[] = [];
  for (const create of pushed.changes) {
    if (versionMade(pushed, create) === null) continue;
    const { entity_id, data } = create;
    const asked = await outlet.entity(entity_id);
    faults.push(
      mustHold(asked, `the row ${JSON.stringify(entity_id.slice(-12))}`, entity_id, { version: null, row: data }),
    );
  }
  return faults;
}

const alike: Check = {
  name: 'ids that differ in case, blanks, accents, "+", "/" or "%2F" alone are different rows',
  contract: KEY,
  async run(outlet) {
    const stem = outlet.freshId();
    const creates = ALIKE.map((end) => outlet.change('create', `${stem}${end}`, null));
    const pushed = await outlet.push(creates);
    const named = (id: string) => `the create of ${JSON.stringify(id.slice(stem.length - 4))}`;
    const refused = creates.map((one) => mustBe(pushed, one, named(one.entity_id), ['accepted', 'rejected']));
    const first = mustBeAccepted(pushed, creates[0] as Change, 'the first create');
    if (first && !outlet.options.row.own) return skipped('this cloud takes no such ids for the type of --type');
    return verdictOf([...refused, first, ...(await eachKept(outlet, pushed))]);
  },
};

const LONGEST = 2_000;

const long: Check = {
  name: 'ids of 2000 bytes that differ at their end are different rows, or are rejected',
  contract: {
    where: 'Conventions',
    says: 'entity_type 255 bytes, entity_id and cloud_id 2,000.',
  },
  async run(outlet) {
    const stem = outlet.freshId().padEnd(LONGEST - 1, 'x');
    const creates = ['1', '2'].map((end) => outlet.change('create', `${stem}${end}`, null));
    const pushed = await outlet.push(creates);
    const faults = creates.map((one) => mustBe(pushed, one, 'a create with a long id', ['accepted', 'rejected']));
    return verdictOf([...faults, ...(await eachKept(outlet, pushed))]);
  },
};

const columns: Check = {
  name: 'names of columns survive: capitals, dots, "$" and blanks',
  contract: {
    where: 'Conventions',
    says: "Columns are called as in the shop's table, with their capitals, dots and blanks.",
  },
  async run(outlet) {
    const { row } = outlet.options;
    if (!row.own) return skipped('nothing is added to a row of --data');
    const id = outlet.freshId();
    const odd = { TaxRate: '1', taxrate: '2', 'unit.price': '3', $ref: '"4"', 'Name (EN)': '"Kopi"', '': '5' };
    const change = outlet.change('create', id, null, { data: row.text(id, odd) });
    const pushed = await outlet.push([change]);
    const held = { version: versionMade(pushed, change), row: change.data };
    return verdictOf([
      mustBeAccepted(pushed, change, 'the row with such columns'),
      mustHold(await outlet.entity(id), 'the row', id, held),
    ]);
  },
};

/** Above 64 KiB, where one database's texts end, and above the body that a common framework takes where nobody says otherwise. */
const LONG_TEXT = 120_000;

const longText: Check = {
  name: 'a text of 120 kB stays whole',
  contract: {
    where: 'Conventions',
    says: "All values are written as PostgreSQL's row_to_json writes them",
  },
  async run(outlet) {
    const { row } = outlet.options;
    if (!row.own) return skipped('nothing is added to a row of --data');
    if (outlet.capabilities.max_batch_bytes < 2 * LONG_TEXT) return skipped('max_batch_bytes is too small for it');
    const id = outlet.freshId();
    const data = row.text(id, { note: JSON.stringify('Kopi Susu '.repeat(LONG_TEXT / 10)) });
    const change = outlet.change('create', id, null, { data });
    const pushed = await outlet.push([change]);
    const held = { version: versionMade(pushed, change), row: data };
    return verdictOf([
      mustBeAccepted(pushed, change, 'the row with the long text'),
      mustHold(await outlet.entity(id), 'the row', id, held),
    ]);
  },
};

const places: Check = {
  name: 'seq and tx keep their digits: two beyond 2^53 are two',
  contract: { where: 'POST {base}/sync/push', says: 'digits of a 64-bit integer' },
  async run(outlet) {
    const [one, other] = ['9007199254740992', '9007199254740993'].map((place) =>
      outlet.change('create', outlet.freshId(), null, { seq: place, tx: place }),
    ) as [Change, Change];
    const [first, second] = [await outlet.push([one]), await outlet.push([other])];
    return verdictOf([
      mustBeAccepted(first, one, `the create with the seq ${one.seq}`),
      mustBeAccepted(second, other, `the create with the seq ${other.seq}`),
    ]);
  },
};

export const names: Chapter = {
  title: 'Names and lengths',
  needsRows: true,
  checks: [alike, long, columns, longText, places],
};
