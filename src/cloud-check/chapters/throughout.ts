/** What has to be the same in all answers of the run; asked of those that came already. */
import { isInstant } from '../../cloud/instant.js';
import { parseObject } from '../../cloud/reply.js';
import { broken, type Chapter, type Check, skipped, verdictOf } from '../check.js';
import type { Exchange } from '../exchange.js';

function told(exchanges: readonly Exchange[], name: string): { value: unknown; exchange: Exchange }[] {
  return exchanges.flatMap((exchange) => {
    const { reply } = exchange;
    const value = reply.kind === 'answer' && reply.status === 200 ? parseObject(reply.body)?.[name] : undefined;
    return value === undefined || value === null ? [] : [{ value, exchange }];
  });
}

const epoch: Check = {
  name: 'cloud_epoch is the same in every answer that has it',
  contract: {
    where: 'GET {base}/sync/changes',
    says: 'Another cloud_epoch than before says that the cloud was restored: the outlet stops pushing, pulling and applying until a person decides',
  },
  async run({ exchanges }) {
    const [first, ...others] = told(exchanges, 'cloud_epoch');
    if (first === undefined) return skipped('no answer has it; a restored cloud would not be noticed');
    const other = others.find(({ value }) => value !== first.value);
    const { path } = first.exchange.sent;
    const words = (value: unknown) => JSON.stringify(value);
    return verdictOf([
      other && broken(`it is ${words(first.value)} in ${path} and ${words(other.value)} here`, other.exchange),
    ]);
  },
};

const serverTime: Check = {
  name: 'server_time is an RFC 3339 instant in UTC in every answer that has it',
  contract: { where: 'Conventions', says: 'Instants are RFC 3339 in UTC (Z), up to microseconds.' },
  async run({ exchanges }) {
    const all = told(exchanges, 'server_time');
    if (all.length === 0) return skipped('no answer has it; the Date header is used');
    const bad = all.find(({ value }) => !(typeof value === 'string' && isInstant(value) && /z$/i.test(value)));
    return verdictOf([bad && broken(`it is ${JSON.stringify(bad.value)}`, bad.exchange)]);
  },
};

export const throughout: Chapter = { title: 'In all answers', needsRows: false, checks: [epoch, serverTime] };
