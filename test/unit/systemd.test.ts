/** What systemd is told, in which order, and when the watchdog goes hungry: over a real socket, by the real systemd-notify. */
import { existsSync } from 'node:fs';
import { managerSettings } from '../../src/config/notify-socket.js';
import type { LogFields } from '../../src/log.js';
import { ServiceManager } from '../../src/ops/systemd.js';
import { sleep } from '../../src/time.js';
import { eventually } from '../support/eventually.js';
import { NotifySocket } from '../support/notify-socket.js';

const onSystemd = existsSync('/usr/bin/systemd-notify') ? test : test.skip;
const told: [string, LogFields | undefined][] = [];
/** The log keeps a recovery to itself where no trouble was told. */
const note = (message: string, fields?: LogFields) => {
  if (fields?.recovered === undefined) told.push([message, fields]);
};
const log = { error: note, warn: note, info: note, debug: note };

let socket: NotifySocket;
/** Of every manager of a test: one that goes on after a failure would keep the run from ending. */
const stopping: (() => Promise<void>)[] = [];
const state = { ready: false, line: 'starting', stuck: [] as string[] };
beforeEach(async () => {
  socket = await NotifySocket.open();
  told.length = 0;
  Object.assign(state, { ready: false, line: 'starting', stuck: [] });
});
afterEach(async () => {
  for (const stop of stopping.splice(0)) await stop();
  await socket.close();
});

function start(watchdogMs: number | undefined, path = socket.path) {
  const ending = new AbortController();
  const manager = new ServiceManager({
    settings: { socket: path, watchdogMs },
    log,
    statusLine: () => state.line,
    isReady: () => state.ready,
    stuck: () => state.stuck,
  });
  const running = manager.run(ending.signal);
  const stop = async () => {
    ending.abort();
    await running;
  };
  stopping.push(stop);
  return { manager, stop };
}
const hears = (message: string) =>
  eventually(
    () => socket.messages,
    (messages) => messages.includes(message),
    message,
  );

onSystemd('it says how it starts, that it is ready, that it reads the configuration, and that it stops', async () => {
  const { manager, stop } = start(undefined);
  await hears('STATUS=starting');
  state.ready = true;
  state.line = 'everything is in the cloud';
  await hears('READY=1|STATUS=everything is in the cloud');
  await manager.reloading();
  await manager.reloaded();
  await stop();
  expect(socket.messages).toEqual([
    'STATUS=starting',
    'READY=1|STATUS=everything is in the cloud',
    'RELOADING=1|STATUS=reading the configuration',
    'READY=1|STATUS=everything is in the cloud',
    'STOPPING=1|STATUS=stopping; what is in flight may end',
  ]);
  expect(told).toEqual([]);
});

onSystemd(
  'what is true by now is told before the watchdog has to be fed again, and what stays the same is not',
  async () => {
    state.ready = true;
    const { stop } = start(12_000);
    await hears('READY=1|WATCHDOG=1|STATUS=starting');
    const readyAt = performance.now();
    state.line = 'everything is in the cloud';
    await hears('WATCHDOG=1|STATUS=everything is in the cloud');
    expect(performance.now() - readyAt).toBeLessThan(3_000);
    await sleep(1_200);
    await stop();
    expect(socket.messages).toHaveLength(3);
  },
);

onSystemd('the watchdog is fed while everything goes round, and not while something stands still', async () => {
  state.ready = true;
  const { stop } = start(300);
  await hears('READY=1|WATCHDOG=1|STATUS=starting');
  await hears('WATCHDOG=1|STATUS=starting');
  state.stuck = ['push', 'inbox'];
  state.line = 'stuck';
  await hears('STATUS=stuck');
  expect(told[0]?.[0]).toBe('push and inbox stand still: the service manager is to start the daemon anew');
  state.stuck = [];
  state.line = 'again';
  await hears('WATCHDOG=1|STATUS=again');
  await stop();
  expect(socket.messages).not.toContain('WATCHDOG=1|STATUS=stuck');
});

onSystemd('a manager that cannot be reached is told of in the log, and nothing else happens', async () => {
  state.ready = true;
  const { stop } = start(undefined, '/nowhere/socket');
  await eventually(
    () => told,
    (lines) => lines.length > 0,
    'a line in the log',
  );
  await stop();
  expect(told[0]?.[0]).toBe('the service manager cannot be told how we do');
});

test.each([
  [{}, undefined],
  [{ WATCHDOG_USEC: '60000000' }, undefined],
  [{ NOTIFY_SOCKET: '/run/n' }, { socket: '/run/n', watchdogMs: undefined }],
  [
    { NOTIFY_SOCKET: '@n', WATCHDOG_USEC: '60000000' },
    { socket: '@n', watchdogMs: 60_000 },
  ],
  [
    { NOTIFY_SOCKET: '@n', WATCHDOG_USEC: '60000000', WATCHDOG_PID: '7' },
    { socket: '@n', watchdogMs: 60_000 },
  ],
  [
    { NOTIFY_SOCKET: '@n', WATCHDOG_USEC: '60000000', WATCHDOG_PID: '8' },
    { socket: '@n', watchdogMs: undefined },
  ],
  [
    { NOTIFY_SOCKET: '@n', WATCHDOG_USEC: 'soon' },
    { socket: '@n', watchdogMs: undefined },
  ],
])('the environment %j means %j', (env, settings) => {
  expect(managerSettings(env, 7)).toEqual(settings);
});
