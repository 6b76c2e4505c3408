/** A shop that nobody has captured yet, in a new database for every test, and ways to install there, be refused, and leave no trace. */
import pg from 'pg';
import { installCapture } from '../../src/capture/install.js';
import { uninstallCapture } from '../../src/capture/uninstall.js';
import type { Cluster } from '../../src/demo/postgres.js';
import type { SyncError } from '../../src/errors.js';
import { captureSettings, type Entities, Pos } from './capture.js';

/** `useShop` is called before each test, with the shop that is its own. */
export function installStage(server: { cluster: () => Cluster }, useShop: (pos: Pos) => void) {
  let pos: Pos;
  let databases = 0;
  beforeEach(async () => {
    databases += 1;
    pos = await Pos.open(server.cluster(), `shop_${databases}`);
    await pos.sql.query(
      `CREATE TABLE sale (id int PRIMARY KEY, name text); CREATE TABLE stock (id int PRIMARY KEY, qty int)`,
    );
    useShop(pos);
  });
  afterEach(() => pos.close());
  const install = (entities: Entities, more: { dryRun?: boolean; adminUrl?: string } = {}) => {
    const lines: string[] = [];
    const settings = captureSettings(entities);
    return installCapture({ adminUrl: pos.url, settings, report: (line) => lines.push(line), ...more }).then(
      (report) => ({ ...report, lines }),
    );
  };

  /** Takes syncd out of every database of the cluster, so that its roles go too. */
  async function uninstallEverywhere(): Promise<void> {
    const { rows } = await pos.sql.query('SELECT datname FROM pg_database WHERE NOT datistemplate');
    for (const { datname } of rows)
      await uninstallCapture({ adminUrl: server.cluster().url(datname), discardPending: true });
    const left = new pg.Client(pos.url);
    await left.connect();
    expect((await left.query(`SELECT rolname FROM pg_roles WHERE rolname LIKE 'syncd%'`)).rows).toEqual([]);
    await left.end();
  }

  return { install, uninstallEverywhere };
}

/** What an installation that must not succeed says. */
export const refusal = (work: Promise<unknown>) =>
  work.then(
    () => {
      throw new Error('it was not refused');
    },
    (error: SyncError) => ({ code: error.code, message: error.message, issues: error.hint.split('\n') }),
  );
