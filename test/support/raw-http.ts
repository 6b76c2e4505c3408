/** Speaks HTTP byte by byte, right or wrong, and reads whatever comes back until the other end closes. */
import { connect } from 'node:net';
import { sleep } from '../../src/time.js';

export type RawAnswer = { status: number; headers: Record<string, string>; body: string };
/** Bytes to write, or a pause in ms before the next. */
export type Piece = string | Buffer | number;

export type RawOptions = {
  /** Default 127.0.0.1. */
  to?: string;
  /** The local address to come from. */
  from?: string;
  /** Closes from this side once so many answers are there; default: waits for the other end. */
  answers?: number;
  deadlineMs?: number;
};

/** @returns every answer, in order; those with status 100 too. @throws Error when the other end does not close in time */
export async function sendRaw(port: number, pieces: readonly Piece[], options: RawOptions = {}): Promise<RawAnswer[]> {
  const { to = '127.0.0.1', from, answers = Number.POSITIVE_INFINITY, deadlineMs = 10_000 } = options;
  const isHead = String(pieces[0]).startsWith('HEAD ');
  const socket = connect({ port, host: to, ...(from !== undefined && { localAddress: from }) });
  let text = '';
  const over = new AbortController();
  socket.setEncoding('latin1');
  socket.on('data', (piece) => {
    text += piece;
    if (parseAnswers(text, isHead).length >= answers) over.abort();
  });
  socket.on('error', () => {});
  socket.once('close', () => over.abort());
  const writing = (async () => {
    for (const piece of pieces) {
      if (socket.destroyed) return;
      if (typeof piece === 'number') await sleep(piece, over.signal);
      else socket.write(piece);
    }
  })();
  const startedAt = performance.now();
  await sleep(deadlineMs, over.signal);
  socket.destroy();
  await writing;
  if (performance.now() - startedAt >= deadlineMs)
    throw new Error(`not closed within ${deadlineMs} ms; it said: ${text}`);
  return parseAnswers(text, isHead);
}

function parseAnswers(text: string, isHead: boolean): RawAnswer[] {
  const answers: RawAnswer[] = [];
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\r\n\r\n', at);
    if (end < 0) break;
    const [start = '', ...lines] = text.slice(at, end).split('\r\n');
    const status = /^HTTP\/1\.1 (\d{3}) /.exec(start)?.[1];
    if (status === undefined) throw new Error(`no answer of HTTP: ${JSON.stringify(text.slice(at, at + 200))}`);
    const headers = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    );
    const length = isHead ? 0 : Number(headers['content-length'] ?? 0);
    const from = end + 4;
    if (text.length < from + length) break;
    answers.push({
      status: Number(status),
      headers,
      body: Buffer.from(text.slice(from, from + length), 'latin1').toString(),
    });
    at = from + length;
  }
  return answers;
}
