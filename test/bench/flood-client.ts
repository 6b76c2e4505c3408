/**
 * Somebody who knocks at the webhook port all the time, started by programs.ts: so many badly signed requests a second, or a
 * thousand connections that never come to the point. Gives way to everybody else on the machine, for a flood comes from
 * elsewhere. Arguments: `bad` or `slow`, the port, requests a second or connections. Any message: tells what it has done.
 */
import { connect, type Socket } from 'node:net';
import { setPriority } from 'node:os';

export type FloodReady = { kind: 'ready' };
export type FloodReport = {
  ms: number;
  /** Requests begun; for a slow one, connections opened. */
  sent: number;
  /** Those that had to be left out, because the other end did not take them fast enough. */
  skipped: number;
  /** Connections that ended without an answer. */
  cut: number;
  answers: Record<string, number>;
};

const [kind = 'bad', port = '0', count = '5000'] = process.argv.slice(2);
const TICK_MS = 5;
const MOST_OPEN = 512;
const BODY = `{"event_id":"forged","changes":[{"entity_type":"product","entity_id":"7","data":{"note":"${'x'.repeat(200)}"}}]}`;
const REQUEST = `POST /api/v1/webhooks/cloud/update HTTP/1.1\r\nHost: till\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\nX-Cloud-Signature: ${'0'.repeat(64)}\r\n\r\n${BODY}`;
const DRIBBLE = 'POST /api/v1/webhooks/cloud/update HTTP/1.1\r\nHost: till\r\nX-Slow: ';

const report: FloodReport = { ms: 0, sent: 0, skipped: 0, cut: 0, answers: {} };
const idle: Socket[] = [];
const slow = new Set<Socket>();
let open = 0;

function dial(first: string): Socket {
  const socket = connect({ port: Number(port), host: '127.0.0.1', noDelay: true });
  let answered = false;
  open++;
  socket.setEncoding('latin1');
  socket.write(first);
  socket.on('data', (text: string) => {
    for (const [, status] of text.matchAll(/HTTP\/1\.1 (\d{3})/g)) {
      answered = true;
      report.answers[status as string] = (report.answers[status as string] ?? 0) + 1;
    }
    if (!text.includes('onnection: close') && kind === 'bad') idle.push(socket);
  });
  socket.on('error', () => {});
  socket.once('close', () => {
    open--;
    slow.delete(socket);
    if (!answered) report.cut++;
    const at = idle.indexOf(socket);
    if (at >= 0) idle.splice(at, 1);
  });
  return socket;
}

function bad(): void {
  const socket = idle.pop();
  if (!socket && open >= MOST_OPEN) {
    report.skipped++;
    return;
  }
  report.sent++;
  if (socket) socket.write(REQUEST);
  else dial(REQUEST);
}

setPriority(19);
const startedAt = performance.now();
let due = 0;
setInterval(() => {
  if (kind === 'bad') {
    const wanted = ((performance.now() - startedAt) / 1_000) * Number(count);
    // A pause of this process is not made up for by a burst.
    due = Math.max(due, wanted - Number(count) / 10);
    for (; due < wanted; due++) bad();
    return;
  }
  for (let fresh = 0; slow.size < Number(count) && fresh < 50; fresh++) {
    report.sent++;
    slow.add(dial(DRIBBLE));
  }
}, TICK_MS);
if (kind === 'slow') {
  setInterval(() => {
    for (const socket of slow) socket.write('x');
  }, 1_000);
}
process.on('message', () => process.send?.({ ...report, ms: performance.now() - startedAt }));
process.on('disconnect', () => process.exit(0));
process.send?.({ kind: 'ready' });
