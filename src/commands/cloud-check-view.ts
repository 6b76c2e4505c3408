/** How `syncd cloud-check` looks: a line for each check; below one that failed, what it needs to be mended. Pure. */
import type { Exchange } from '../cloud-check/exchange.js';
import type { Checked } from '../cloud-check/run.js';
import { oneLine, wrapped } from '../ops/status/words.js';
import type { Paint, Style } from './output.js';

const MARKS: Record<Checked['outcome']['kind'], { mark: string; style: Style }> = {
  ok: { mark: 'ok', style: 'green' },
  fail: { mark: 'FAIL', style: 'red' },
  skipped: { mark: '-', style: 'dim' },
};
const MARGIN = 7;
const LABEL = 11;
/** Of a body; what stands beside a long list comes last. --json has more. */
const SHOWN = { begin: 700, end: 200 };
const SHOWN_JSON = 100_000;

export function chapterLine(title: string, first: boolean, paint: Paint): string {
  return `${first ? '' : '\n'}${paint('bold', title)}`;
}

export function checkLines({ check, outcome, among }: Checked, paint: Paint, width: number): string[] {
  const { mark, style } = MARKS[outcome.kind];
  const line = (text: string) => {
    const [first = '', ...rest] = wrapped(text, width - MARGIN);
    return [`  ${paint(style, mark.padEnd(MARGIN - 2))}${first}`, ...rest.map((one) => ' '.repeat(MARGIN) + one)];
  };
  switch (outcome.kind) {
    case 'ok':
      return line(outcome.note === null ? check.name : `${check.name} (${outcome.note})`);
    case 'skipped':
      return line(`${among > 1 ? `all ${among} checks` : check.name}: skipped, ${outcome.why}`);
    case 'fail':
      return [
        ...line(check.name),
        ...wrapped(outcome.why, width - MARGIN).map((one) => ' '.repeat(MARGIN) + paint('red', one)),
        ...(outcome.exchange === null ? [] : exchangeLines(outcome.exchange, width)),
        ...labelled('contract', `${check.contract.where}: "${check.contract.says}"`, width),
      ];
    default:
      return outcome satisfies never;
  }
}

function exchangeLines({ sent, reply }: Exchange, width: number): string[] {
  const remark = sent.remark === null ? '' : ` (${sent.remark})`;
  const came = reply.kind === 'none' ? `nothing: ${reply.error}` : `HTTP ${reply.status} ${shown(reply.body)}`;
  return [
    ...labelled('sent', `${sent.method} ${sent.path}${remark} ${shown(sent.body ?? '')}`, width),
    ...labelled('came back', came, width),
  ];
}

function labelled(label: string, text: string, width: number): string[] {
  const pieces = piecesOf(text, width - MARGIN - LABEL);
  const margin = ' '.repeat(MARGIN);
  return pieces.map((piece, place) => `${margin}${(place === 0 ? label : '').padEnd(LABEL)}${piece}`);
}

/** Cut at blanks and behind the commas and brackets of JSON; where there are none, anywhere. */
function piecesOf(text: string, room: number): string[] {
  const pieces = [''];
  for (const token of oneLine(text).match(/[^ ,{[]*[ ,{[]?/gu) ?? []) {
    const last = pieces.at(-1) as string;
    if ((last + token).trimEnd().length <= room) pieces[pieces.length - 1] = last + token;
    else pieces.push(...(token.match(new RegExp(`.{1,${room}}`, 'gu')) ?? []));
  }
  return pieces.map((piece) => piece.trimEnd()).filter((piece) => piece !== '');
}

/** Enough of an id to find it again: `896bfde3-…`. */
const UUID = /([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi;

function shown(body: string): string {
  const text = oneLine(body).replaceAll(UUID, '$1-…');
  if (text.length <= SHOWN.begin + SHOWN.end) return text;
  return `${text.slice(0, SHOWN.begin)} … ${text.slice(-SHOWN.end)} (${body.length} characters; --json shows more)`;
}

export function summaryLines(checked: readonly Checked[], paint: Paint, width: number): string[] {
  const count = (kind: Checked['outcome']['kind']) => checked.filter(({ outcome }) => outcome.kind === kind).length;
  const [held, failed, left] = [count('ok'), count('fail'), count('skipped')];
  const skipped = left > 0 ? `, ${left} skipped` : '';
  const words =
    failed === 0
      ? paint('green', `All ${held} checks hold${skipped}.`)
      : `${paint('red', `${failed} failed`)}, ${held} hold${skipped}.`;
  const where = 'The wire contract stands in the README of syncd; each "contract" above names its part.';
  return ['', words, ...(failed === 0 ? [] : wrapped(where, width))];
}

/** All names always there. @param failure why the checks ended early; null where all were made */
export function inJson(
  outlet: { options: { url: string; outletId: string }; epoch: number },
  checked: readonly Checked[],
  failure: string | null,
): unknown {
  return {
    ok: failure === null && checked.every(({ outcome }) => outcome.kind !== 'fail'),
    url: outlet.options.url,
    outlet: outlet.options.outletId,
    epoch: outlet.epoch,
    failure,
    checks: checked.map(({ chapter, check, outcome }) => ({
      chapter,
      name: check.name,
      state: outcome.kind,
      finding: outcome.kind === 'ok' ? outcome.note : outcome.why,
      contract: check.contract,
      ...exchangeInJson(outcome.kind === 'fail' ? outcome.exchange : null),
    })),
  };
}

function exchangeInJson(exchange: Exchange | null): { sent: unknown; came_back: unknown } {
  if (exchange === null) return { sent: null, came_back: null };
  const { sent, reply } = exchange;
  const { method, path, remark } = sent;
  const cut = (body: string | null) => body?.slice(0, SHOWN_JSON) ?? null;
  return {
    sent: { method, path, remark, body: cut(sent.body) },
    came_back:
      reply.kind === 'none'
        ? { status: null, error: reply.error, body: null }
        : { status: reply.status, error: null, body: cut(reply.body) },
  };
}
