/** What dpkg does on the machine that the other scenes leave behind: upgrades, a removal, a purge. The POS sells all the while. */
import assert from 'node:assert/strict';
import { type Scene, works } from './scenes.js';
import type { Service } from './service.js';

const INSTALL_NEXT = 'dpkg -i /root/syncd-next.deb </dev/null';
const KEPT = 'sha256sum /etc/syncd/syncd.yaml /etc/default/syncd /etc/syncd/credentials/* /var/lib/syncd/admin_token';

/** A change that went twice would have raised its row's version there. */
async function bothSidesAreTheSame({ machine }: Service): Promise<void> {
  await machine.must('runuser -u syncd -- syncd verify');
}

export const PACKAGE_SCENES: Scene[] = [
  [
    'an upgrade that finds the disk full changes nothing, and the daemon works on',
    async (service) => {
      const { machine } = service;
      const { pid } = await service.state();
      const version = await machine.must('dpkg -s syncd | grep ^Version');
      const size = Number(await machine.must('du -sk /usr/lib/syncd | cut -f1')) + 4_096;
      await machine.must(
        `cp -a /usr/lib/syncd /root/program && mount -t tmpfs -o size=${size}k,mode=755 tmpfs /usr/lib/syncd && cp -a /root/program/. /usr/lib/syncd/`,
      );
      const { code, stderr } = await machine.run(INSTALL_NEXT);
      assert.notEqual(code, 0);
      assert.match(stderr, /No space left on device/);
      assert.equal(await machine.must('dpkg -s syncd | grep ^Version'), version);
      await machine.must('diff -rq /root/program /usr/lib/syncd');
      await works(service);
      assert.equal((await service.state()).pid, pid);
      await machine.must('systemctl stop syncd; umount /usr/lib/syncd; systemctl start syncd');
      return undefined;
    },
  ],
  [
    'an upgrade amid sales keeps the configuration, and the new program runs; each sale is in the cloud once',
    async (service) => {
      const { machine } = service;
      await machine.must('echo SYNCD_LOG_LEVEL=debug >>/etc/default/syncd');
      const before = await machine.must(KEPT);
      const { pid } = await service.state();
      const selling = service.sellFor(15);
      await machine.must(INSTALL_NEXT);
      assert.equal(await machine.must(KEPT), before);
      const state = await service.until(
        'the new process',
        ({ active, pid: now }) => active === 'active' && now !== pid && now !== '0',
      );
      await selling;
      await works(service);
      assert.notEqual(state.pid, pid);
      await bothSidesAreTheSame(service);
      return machine.must('syncd --version; dpkg -s syncd | grep ^Version');
    },
  ],
  [
    'an upgrade while PostgreSQL is away ends well too',
    async (service) => {
      const { machine } = service;
      await machine.must('systemctl stop postgresql@15-main');
      await machine.must(INSTALL_NEXT);
      const { active, text } = await service.until('told', (state) => /no database/.test(state.text));
      assert.equal(active, 'active');
      await machine.must('systemctl start postgresql@15-main');
      await works(service);
      return text;
    },
  ],
  [
    'an upgrade that meets a faulty configuration is done, and says that the daemon does not run',
    async (service) => {
      const { machine } = service;
      service.configure('outlet: {');
      assert.match(await machine.must(INSTALL_NEXT), /^The daemon did not start: .*journalctl -u syncd/m);
      assert.deepEqual([(await service.state()).active, (await service.state()).status], ['failed', '78']);
      service.configure();
      assert.doesNotMatch(await machine.must(INSTALL_NEXT), /did not start/);
      await works(service);
      return undefined;
    },
  ],
  [
    'a removal stops all of it, also a comparison that waits for a line; the POS sells on, and what it sold goes after a new installation',
    async (service) => {
      const { machine } = service;
      await service.stopCloud();
      await machine.run('systemctl start syncd-verify.service');
      const said = await machine.must('dpkg --remove syncd');
      assert.match(said, /the POS captures its sales as before/);
      assert.equal(await machine.must("systemctl list-units --all --plain --no-legend --state=failed 'syncd*'"), '');
      assert.equal((await machine.run('pgrep -u syncd')).stdout, '');
      await service.sell(5);
      assert.equal(await service.postgres('SELECT waiting FROM syncd.sync_light'), '5');
      const before = await machine.must('sha256sum /etc/syncd/syncd.yaml /etc/default/syncd');
      await service.startCloudOf('/root/program');
      await machine.must(INSTALL_NEXT);
      assert.equal(await machine.must('sha256sum /etc/syncd/syncd.yaml /etc/default/syncd'), before);
      await works(service);
      await bothSidesAreTheSame(service);
      return undefined;
    },
  ],
  [
    'a purge leaves nothing of ours on the machine, and says how capture leaves the database',
    async (service) => {
      const { machine } = service;
      const said = await machine.must('dpkg --purge syncd');
      const places =
        '/etc/syncd /etc/default/syncd /var/lib/syncd /usr/lib/syncd /usr/bin/syncd /usr/share/doc/syncd /usr/lib/systemd/system/syncd.service /usr/lib/sysusers.d/syncd.conf /usr/lib/tmpfiles.d/syncd.conf';
      assert.equal(
        (
          await machine.run(
            `ls -d ${places} 2>/dev/null; find /etc /var/lib /usr /run -name '*syncd*' -not -path '/var/lib/postgresql/*' -not -path '/usr/share/doc/*'`,
          )
        ).stdout,
        '',
      );
      assert.notEqual((await machine.run('getent passwd syncd || getent group syncd')).code, 0);
      assert.equal(await machine.must('systemctl show -p LoadState --value syncd'), 'not-found');
      await service.sell(1);
      const drop = /sudo -u postgres (psql .*SCHEMA.*)/.exec(said)?.[1];
      await machine.must(`cd / && runuser -u postgres -- ${drop}`);
      await service.sell(1);
      return service.postgres("SELECT 'orders: ' || count(*) FROM orders");
    },
  ],
];
