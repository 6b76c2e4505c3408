/** What becomes of a row on its way: digits, whole rows, fields of a later version, compression. */
import { type Chapter, type Check, type Outcome, skipped, verdictOf } from '../check.js';
import { mustHold } from '../judge-entity.js';
import { mustBeAccepted, versionMade } from '../judge-push.js';
import type { PushGiven, TestOutlet } from '../test-outlet.js';

/** Above 1 KiB, where the outlet begins to compress. */
const LONG = JSON.stringify('Kopi Susu ☕ '.repeat(200));

async function roundTrip(
  outlet: TestOutlet,
  what: string,
  more: Record<string, string>,
  given: PushGiven = {},
  digits?: 'each',
): Promise<Outcome> {
  const id = outlet.freshId();
  const change = outlet.change('create', id, null, { data: outlet.options.row.text(id, more) });
  const pushed = await outlet.push([change], given);
  const held = { version: versionMade(pushed, change), row: change.data, ...(digits && { digits }) };
  return verdictOf([mustBeAccepted(pushed, change, what), mustHold(await outlet.entity(id), 'the row', id, held)]);
}

const digits: Check = {
  name: 'numbers keep their digits: 30 of them, 1.10, 64-bit integers',
  contract: {
    where: 'Conventions',
    says: 'Numbers keep their digits. A numeric column is a JSON number of any length: 36000.00, or 30 digits. Do not read data through floating point.',
  },
  async run(outlet) {
    const { row } = outlet.options;
    if (!row.own && !row.delicate)
      return skipped('no number in --data would suffer from floating point; give it one such as 1.10');
    const numbers = {
      amount: '123456789012345678901234567890',
      price: '1.10',
      largest: '9223372036854775807',
      small: '-0.000000000000000000000000000001',
      total: '36000.00',
    };
    return roundTrip(outlet, 'the row with exact numbers', numbers, {}, 'each');
  },
};

const texts: Check = {
  name: 'texts survive: quotes, line ends, emoji, and NaN as a string',
  contract: { where: 'Conventions', says: 'UTF-8 JSON, snake_case names.' },
  async run(outlet) {
    if (!outlet.options.row.own) return skipped('nothing is added to a row of --data');
    return roundTrip(outlet, 'the row with unusual texts', {
      name: JSON.stringify('“Kopi” "Susu" \\ ☕ 咖啡\n\t'),
      ratio: '"NaN"',
      nothing: 'null',
      yes: 'true',
      list: '[1,[2.50],{"a":null}]',
    });
  },
};

const shapes: Check = {
  name: 'values keep their form: {} and [], "" and blanks, microseconds',
  contract: {
    where: 'Conventions',
    says: "All values are written as PostgreSQL's row_to_json writes them.",
  },
  async run(outlet) {
    if (!outlet.options.row.own) return skipped('nothing is added to a row of --data');
    return roundTrip(outlet, 'the row with empty values', {
      choices: '{}',
      lines: '[]',
      nested: '{"none":{},"list":[[],{}]}',
      note: '""',
      code: '"  7 "',
      sold_at: '"2026-11-22T18:30:00.123456+00:00"',
      opened_at: '"2026-11-22T18:30:00"',
      day: '"2026-11-22"',
      digits: '"007"',
      accent: JSON.stringify('e\u0301'),
    });
  },
};

const wholeRow: Check = {
  name: 'an update replaces the whole row: a column that it lacks is gone',
  contract: {
    where: 'POST {base}/sync/push',
    says: 'the whole row after the change, without the excluded columns; it replaces the row.',
  },
  async run(outlet) {
    const { row } = outlet.options;
    if (!row.own) return skipped('nothing is taken from a row of --data');
    const id = outlet.freshId();
    const create = outlet.change('create', id, null, { data: row.text(id, { note: '"of the create"' }) });
    const first = await outlet.push([create]);
    const update = outlet.change('update', id, versionMade(first, create), { changed_fields: ['note'] });
    const second = await outlet.push([update]);
    const gone = row.text(id, { note: 'null' });
    const asked = await outlet.entity(id);
    const held = { version: versionMade(second, update), row: update.data };
    const kept = mustHold(asked, 'the row', id, { ...held, row: gone });
    const remembers = asked.reply.kind === 'answer' && asked.reply.body.includes('of the create');
    return verdictOf([
      mustBeAccepted(first, create, 'the create with a column "note"'),
      mustBeAccepted(second, update, 'the update without it'),
      mustHold(asked, 'the row', id, held),
      remembers && kept
        ? { ...kept, why: 'the column "note" of the create is still there after the update' }
        : undefined,
    ]);
  },
};

const unknownFields: Check = {
  name: 'fields that the contract does not name are ignored',
  contract: { where: 'Conventions', says: 'Unknown fields are ignored on both sides.' },
  async run(outlet) {
    const more = { of_a_later_version: { any: [1, 'thing'] } };
    const change = { ...outlet.change('create', outlet.freshId(), null), ...more };
    const pushed = await outlet.push([change], { more });
    return verdictOf([mustBeAccepted(pushed, change, 'the create with unknown fields beside the known ones')]);
  },
};

const COMPRESSED = {
  where: 'Conventions',
  says: 'on a body of 1 KiB or more, a push or a digest. Brotli where capabilities lists it, else gzip where it does, else none',
};

const gzip: Check = {
  name: 'a body in gzip is read',
  contract: COMPRESSED,
  async run(outlet) {
    if (!outlet.capabilities.encodings.includes('gzip')) return skipped('capabilities does not list it');
    return roundTrip(outlet, 'the create in gzip', { note: LONG }, { encoding: 'gzip' });
  },
};

const brotli: Check = {
  name: 'a body in brotli is read, where capabilities lists "br"',
  contract: COMPRESSED,
  async run(outlet) {
    if (!outlet.capabilities.encodings.includes('br')) return skipped('capabilities does not list it');
    return roundTrip(outlet, 'the create in brotli', { note: LONG }, { encoding: 'br' });
  },
};

const composite: Check = {
  name: 'a composite key is accepted, and found under its percent-encoded name',
  contract: { where: 'GET {base}/entities/{type}/{id}', says: 'Type and id are percent-encoded.' },
  async run(outlet) {
    const first = outlet.freshId();
    const id = JSON.stringify([first, '7/2 50% é?#']);
    const change = outlet.change('create', id, null, {
      data: outlet.options.row.text(first, { line: '"7/2 50% é?#"' }),
    });
    const pushed = await outlet.push([change]);
    const accepted = mustBeAccepted(pushed, change, 'the create with a composite key');
    if (accepted && !outlet.options.row.own) return skipped('this cloud takes no composite key for the type of --type');
    const held = { version: versionMade(pushed, change), row: change.data };
    return verdictOf([accepted, mustHold(await outlet.entity(id), 'the row with the composite key', id, held)], null);
  },
};

export const rows: Chapter = {
  title: 'Rows on their way',
  needsRows: true,
  checks: [digits, texts, shapes, wholeRow, unknownFields, gzip, brotli, composite],
};
