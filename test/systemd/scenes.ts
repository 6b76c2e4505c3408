/** What a shop's machine goes through, one after the other on one machine. Each scene throws where something is not as it must be. */
import assert from 'node:assert/strict';
import { sleep } from '../../src/time.js';
import { eventually } from '../support/eventually.js';
import { CONFIGURATION, KEY, NEXT_KEY, type Service } from './service.js';

export type Scene = [title: string, play: (service: Service) => Promise<string | undefined>];

const WORKS = (text: string) => text === 'everything is in the cloud';

export async function works(service: Service): Promise<void> {
  await service.sell(3);
  await service.drained();
}

export const SCENES: Scene[] = [
  [
    'the package installs and starts nothing before it is configured',
    async (service) => {
      const said = await service.machine.must('dpkg -i /root/nodejs.deb /root/syncd.deb');
      assert.match(said, /syncd is not configured yet/);
      assert.equal((await service.state()).active, 'inactive');
      assert.equal(await service.machine.must('systemctl is-enabled syncd'), 'enabled');
      assert.match(
        await service.machine.must('id syncd; stat -c "%U %a" /etc/syncd/credentials /var/lib/syncd'),
        /root 700\nsyncd 750/,
      );
      return service.machine.must('syncd --version');
    },
  ],
  [
    'a technician configures it, and it starts',
    async (service) => {
      await service.prepareDatabase();
      await service.startCloud(KEY);
      service.configure();
      service.giveKey(KEY);
      await service.machine.must('runuser -u postgres -- syncd install');
      await service.machine.must('systemctl start syncd');
      assert.equal((await service.state()).active, 'active');
      await works(service);
      return (await service.until('the status line', ({ text }) => WORKS(text), 40_000)).text;
    },
  ],
  [
    'the doctor sees the secrets that the daemon has, and takes none for missing while it is stopped',
    async ({ machine }) => {
      const doctor = 'runuser -u syncd -- syncd doctor';
      assert.match(await machine.must(doctor), /^ok +api key +accepted/m);
      await machine.must('systemctl stop syncd');
      const { stdout } = await machine.run(doctor);
      const verify = await machine.run('runuser -u syncd -- syncd verify');
      await machine.must('systemctl start syncd');
      assert.match(stdout, /^- +configuration +its secrets were not looked at/m);
      assert.doesNotMatch(stdout, /^FAIL +(configuration|files|database)/m);
      assert.match(
        verify.stderr,
        /only root may read the key to the cloud, and the daemon while it runs\nhint: Start the daemon/,
      );
      return undefined;
    },
  ],
  [
    'the comparison of every night finds both sides the same, and says so in the status',
    async ({ machine }) => {
      assert.equal(await machine.must('systemctl is-enabled syncd-verify.timer'), 'enabled');
      assert.equal(await machine.must('systemctl is-active syncd-verify.timer'), 'active');
      await machine.must('systemctl start syncd-verify.service');
      const { compared } = JSON.parse(await machine.must('runuser -u syncd -- syncd status --json'));
      assert.deepEqual(compared?.differing, []);
      return (await machine.must('runuser -u syncd -- syncd verify')).trim().split('\n').at(-1);
    },
  ],
  [
    'kill -9: it comes again and goes on',
    async (service) => {
      const before = await service.state();
      await service.machine.must(`kill -9 ${before.pid}`);
      const killedAt = performance.now();
      await service.until(
        'another process',
        ({ active, pid }) => active === 'active' && pid !== before.pid && pid !== '0',
      );
      const ms = performance.now() - killedAt;
      await works(service);
      return `${(ms / 1_000).toFixed(1)} s`;
    },
  ],
  [
    'PostgreSQL restarts: the same process goes on',
    async (service) => {
      const before = await service.state();
      await service.machine.must('systemctl restart postgresql@15-main');
      await works(service);
      assert.equal((await service.state()).pid, before.pid);
      return undefined;
    },
  ],
  [
    'a start while PostgreSQL is away ends well, says so, and works once it is there',
    async (service) => {
      await service.machine.must('systemctl stop syncd; systemctl stop postgresql@15-main');
      await service.machine.must('systemctl start syncd');
      const state = await service.state();
      assert.equal(state.active, 'active');
      assert.match(state.text, /no database; sales go on/);
      await service.machine.must('systemctl start postgresql@15-main');
      await works(service);
      assert.equal((await service.state()).pid, state.pid);
      return state.text;
    },
  ],
  [
    'reload: other settings in the same process; a faulty file changes nothing',
    async (service) => {
      const { pid } = await service.state();
      service.configure(`${CONFIGURATION}sync: { interval: soon }\n`);
      await service.machine.must('systemctl reload syncd');
      await eventually(
        () => service.journal(),
        (text) => /what is in force stays.*sync\.interval/.test(text),
        'the faults',
      );
      service.configure(`${CONFIGURATION}sync: { interval: 10s }\n`);
      await service.machine.must('systemctl reload syncd');
      await eventually(
        () => service.journal(),
        (text) => /was read anew.*"changed":\["sync.interval"\]/.test(text),
        'read',
      );
      await works(service);
      service.configure();
      await service.machine.must('systemctl reload syncd');
      const state = await service.until(
        'ready again',
        ({ text, active }) => active === 'active' && WORKS(text),
        40_000,
      );
      assert.equal(state.pid, pid);
      return undefined;
    },
  ],
  [
    'the key is nobody else’s: no other user, no listing and no log shows it',
    async (service) => {
      const { pid } = await service.state();
      const { machine } = service;
      for (const user of ['nobody', 'postgres']) {
        for (const file of [
          '/etc/syncd/credentials/cloud_api_key',
          '/run/credentials/syncd.service/cloud_api_key',
          `/proc/${pid}/environ`,
        ])
          assert.notEqual((await machine.run(`runuser -u ${user} -- cat ${file}`)).code, 0, `${user} reads ${file}`);
      }
      const seen = await machine.must(
        `systemctl show syncd; systemctl status syncd --no-pager; tr '\\0' '\\n' </proc/${pid}/environ; ps -efww; journalctl --no-pager; cat /var/lib/syncd/* 2>/dev/null; runuser -u syncd -- syncd config; runuser -u postgres -- pg_dump pos`,
      );
      assert.ok(seen.length > 10_000);
      assert.equal(seen.includes(KEY), false);
      return undefined;
    },
  ],
  [
    'a new key: refused, exchanged, restarted, and nothing is lost',
    async (service) => {
      await service.stopCloud();
      await service.startCloud(NEXT_KEY);
      await service.sell(5);
      await service.until('refused', ({ text }) => /refuses this outlet/.test(text), 60_000);
      service.giveKey(NEXT_KEY);
      await service.machine.must('systemctl restart syncd');
      await service.drained();
      return undefined;
    },
  ],
  [
    'exit 78 is no reason to start again',
    async (service) => {
      const good = await service.state();
      service.configure('outlet: {');
      await service.machine.run('systemctl restart syncd');
      const failed = await service.until('failed', ({ active }) => active === 'failed');
      assert.deepEqual([failed.result, failed.status], ['exit-code', '78']);
      await sleep(6_000);
      assert.equal((await service.state()).restarts, failed.restarts);
      service.configure();
      await service.machine.must('systemctl start syncd');
      assert.notEqual((await service.state()).pid, good.pid);
      await works(service);
      return undefined;
    },
  ],
  [
    'it stops within ten seconds, also in the middle of a drain and with a cloud that never answers',
    async (service) => {
      await service.sell(20_000);
      const first = await stopMs(service);
      await service.stopCloud();
      const deaf = "require('net').createServer().listen(8080, '127.0.0.1')";
      await service.machine.must(`systemd-run --quiet --unit=deaf node -e "${deaf}"`);
      await service.machine.must('systemctl start syncd');
      await sleep(3_000);
      const second = await stopMs(service);
      await service.machine.must('systemctl stop deaf');
      await service.startCloud(NEXT_KEY);
      await service.machine.must('systemctl start syncd');
      await service.drained(60_000);
      return `${first.toFixed(1)} s and ${second.toFixed(1)} s`;
    },
  ],
  [
    'a process that hangs is killed by the watchdog and comes again',
    async (service) => {
      const before = await service.state();
      await service.machine.must(`kill -STOP ${before.pid}`);
      const stoppedAt = performance.now();
      await service.until(
        'another process',
        ({ active, pid }) => active === 'active' && pid !== before.pid && pid !== '0',
        90_000,
      );
      const ms = performance.now() - stoppedAt;
      assert.match(await service.journal(), /Watchdog timeout/);
      await works(service);
      return `${(ms / 1_000).toFixed(0)} s`;
    },
  ],
  [
    'how far it is shut, by systemd’s own reckoning',
    async (service) => {
      const found = await service.machine.must('systemd-analyze security --no-pager syncd.service');
      const level = /exposure level for syncd\.service: ([\d.]+)/.exec(found)?.[1];
      assert.ok(Number(level) <= 1.6, `exposure ${level}`);
      return level;
    },
  ],
  [
    'what it takes: memory, processor time, open files',
    async (service) => {
      const { pid } = await service.state();
      return service.machine.must(
        `echo "$(grep VmRSS /proc/${pid}/status | tr -s ' \\t' ' '), $(ls /proc/${pid}/fd | wc -l) files, $(ls /proc/${pid}/task | wc -l) threads"`,
      );
    },
  ],
];

async function stopMs(service: Service): Promise<number> {
  const from = performance.now();
  await service.machine.must('systemctl stop syncd');
  const seconds = (performance.now() - from) / 1_000;
  const { result } = await service.state();
  assert.equal(result, 'success');
  assert.ok(seconds <= 10, `it took ${seconds} s`);
  return seconds;
}
