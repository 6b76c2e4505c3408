/** Whether there is a cloud at all, what it says of itself, whom it lets in, and whether it takes a row of the test outlet. */
import { parseCapabilities, parseObject } from '../../cloud/reply.js';
import { SyncError } from '../../errors.js';
import { answerWords, broken, type Chapter, type Check, type Fault, NO_JSON, ok, verdictOf } from '../check.js';
import type { Exchange } from '../exchange.js';
import { mustBeUnknown } from '../judge-entity.js';
import { mustBeAccepted, resultOf } from '../judge-push.js';
import { takeOverAs } from '../take-over.js';
import type { TestOutlet } from '../test-outlet.js';

/** Beyond it neither "the later edit wins" nor a signed webhook works. */
const CLOCK_BOUND_S = 60;

const health: Check = {
  name: 'GET /health answers 200',
  contract: {
    where: 'GET {base}/health',
    says: 'health answers 200 when the cloud can take requests; an outlet that is offline asks for it.',
  },
  async run(outlet) {
    const asked = await outlet.get('/health');
    const { reply } = asked;
    if (reply.kind === 'none')
      throw new SyncError('unavailable', `the cloud cannot be reached: ${outlet.options.url}/health: ${reply.error}`, {
        hint: 'Check the URL: it is the base below which /health and /sync/push lie. A private certificate: --ca-file FILE',
      });
    const hint = reply.status === 404 ? '; is the URL the base below which /health and /sync/push lie?' : '';
    return verdictOf([reply.status === 200 ? undefined : broken(`${answerWords(asked)} instead of 200${hint}`, asked)]);
  },
};

const clock: Check = {
  name: `the answers tell the time, right to ${CLOCK_BOUND_S} s`,
  contract: {
    where: 'When both sides changed a row',
    says: 'While the offset is unknown, above 60 s, or the clock was set in between, the conflict stays open',
  },
  async run(outlet) {
    const asked = await outlet.get('/health');
    const { reply } = asked;
    const told = reply.kind === 'answer' ? (parseObject(reply.body)?.server_time ?? reply.date) : undefined;
    const offsetS = Math.round((Date.parse(String(told)) - Date.now()) / 1_000);
    if (Number.isNaN(offsetS))
      return verdictOf([broken('the answer has neither a Date header nor server_time that could be read', asked)]);
    if (Math.abs(offsetS) <= CLOCK_BOUND_S) return ok(`off by ${Math.abs(offsetS)} s`);
    const why = `the cloud says it is ${told}, ${Math.abs(offsetS)} s ${offsetS > 0 ? 'after' : 'before'} this machine's clock`;
    return verdictOf([broken(`${why}; one of the two is wrong`, asked)]);
  },
};

const capabilities: Check = {
  name: 'GET /sync/capabilities answers by the contract, or 404',
  contract: {
    where: 'GET {base}/sync/capabilities',
    says: '404 means the defaults: 500 changes, 1048576 bytes, gzip, no long poll, no digest.',
  },
  async run(outlet) {
    const asked = await outlet.get('/sync/capabilities');
    const { reply } = asked;
    if (reply.kind === 'answer' && reply.status === 404) return ok('404: the defaults hold');
    if (reply.kind === 'none' || reply.status !== 200)
      return verdictOf([broken(`${answerWords(asked)} instead of 200 or 404`, asked)]);
    outlet.capabilities = parseCapabilities(reply.body);
    const { max_batch_changes, long_poll, digest } = outlet.capabilities;
    const note = [`${max_batch_changes} changes a batch`, long_poll && 'long poll', digest && 'digest'];
    return verdictOf([flawOfCapabilities(asked, parseObject(reply.body))], note.filter(Boolean).join(', '));
  },
};

/** What is missing is a default; what is there has to make sense. */
function flawOfCapabilities(asked: Exchange, given: Record<string, unknown> | undefined): Fault | undefined {
  if (given === undefined) return broken(NO_JSON, asked);
  const wants: [name: string, want: string, is: (value: unknown) => boolean][] = [
    ['protocol', '1', (value) => value === 1],
    ['max_batch_changes', 'an integer from 1', (value) => Number.isSafeInteger(value) && (value as number) > 0],
    ['max_batch_bytes', 'an integer from 1', (value) => Number.isSafeInteger(value) && (value as number) > 0],
    [
      'encodings',
      'a list of names such as "gzip" and "br"',
      (value) => Array.isArray(value) && value.every((one) => typeof one === 'string'),
    ],
    ['long_poll', 'true or false', (value) => typeof value === 'boolean'],
    ['digest', 'true or false', (value) => typeof value === 'boolean'],
    ['cloud_epoch', 'a string', (value) => typeof value === 'string' && value !== ''],
  ];
  const wrong = wants.find(([name, , is]) => given[name] !== undefined && given[name] !== null && !is(given[name]));
  if (!wrong) return undefined;
  const [name, want] = wrong;
  return broken(`${name} is ${JSON.stringify(given[name])}; it has to be ${want}`, asked);
}

const key: Check = {
  name: 'an unknown X-API-Key is answered 401: push, changes, one entity, digest',
  contract: { where: 'Conventions', says: 'X-API-Key, X-Outlet-ID on every request' },
  async run(outlet) {
    const wrong = { apiKey: `not-${outlet.freshId()}` };
    const id = outlet.freshId();
    const asked = [
      await outlet.push([outlet.change('create', id, null)], wrong),
      await outlet.get('/sync/changes?limit=1', wrong),
      await outlet.entity(id, wrong),
      ...(outlet.capabilities.digest ? [await outlet.post('/sync/digest', anyDigest(outlet), wrong)] : []),
    ];
    const stored = await outlet.entity(id);
    const kept = stored.reply.kind === 'answer' && stored.reply.status === 200;
    return verdictOf([
      ...asked.map((exchange) => mustBeRefused(exchange)),
      kept ? mustBeUnknown(stored, 'a row that was pushed with an unknown key') : undefined,
    ]);
  },
};

const anyDigest = ({ options }: TestOutlet) => ({
  entity_type: options.type,
  date_field: null,
  timezone: 'UTC',
  buckets: [],
});

/** 403 stops an outlet as 401 does. */
function mustBeRefused(exchange: Exchange): Fault | undefined {
  const { sent, reply } = exchange;
  if (reply.kind === 'answer' && (reply.status === 401 || reply.status === 403)) return undefined;
  return broken(`${sent.method} ${sent.path} was answered with ${answerWords(exchange)}, not with 401`, exchange);
}

const takeOver: Check = {
  name: 'a new install may push, or is told the epoch that holds',
  contract: {
    where: 'What the cloud must do, 7',
    says: 'Answer 409 with {"error":{"code":"fork","message":"…","epoch":n}} to a push with an older epoch, with another install_id at the same epoch',
  },
  run: (outlet) => takeOverAs(outlet, '--api-key-file'),
};

const create: Check = {
  name: 'a create is accepted, and told its version',
  contract: {
    where: 'What the cloud must do, 4',
    says: 'null matches only where there is neither row nor tombstone.',
  },
  async run(outlet) {
    const change = outlet.change('create', outlet.freshId(), null);
    const pushed = await outlet.push([change]);
    const fault = mustBeAccepted(pushed, change, 'the create');
    const status = resultOf(pushed, change)?.status;
    const refused = pushed.reply.kind === 'answer' && (pushed.reply.status === 400 || pushed.reply.status === 422);
    // All else says nothing about the row: no answer of a cloud, a refusal of everything, a result that cannot be read.
    if (!refused && status !== 'rejected' && status !== 'held') return verdictOf([fault]);
    const hint = ` Does this cloud know the type "${outlet.options.type}" and such a row? Else: --type, --data.`;
    return verdictOf([fault && { ...fault, why: `${fault.why}.${hint}` }]);
  },
};

export const reach: Chapter = {
  title: 'Reaching the cloud',
  needsRows: false,
  checks: [health, clock, capabilities, key, takeOver, create],
};
