/** The service in the machine: its state as systemd tells it, its till, its cloud, and what a technician does with it. */
import { eventually } from '../support/eventually.js';
import type { Machine } from './machine.js';

export const KEY = 'planted-api-key-in-a-credential';
export const NEXT_KEY = 'planted-api-key-of-tomorrow';
const CLOUD_PORT = 8080;
const TABLES = 'CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, total numeric NOT NULL)';

export const CONFIGURATION = `outlet: { id: JKT-014, code: JKT-014, timezone: Asia/Jakarta }
database: { url: "postgres:///pos?host=/var/run/postgresql" }
cloud: { url: "http://127.0.0.1:${CLOUD_PORT}/api/v1" }
entities:
  order: { table: public.orders }
`;

export type State = {
  pid: string;
  active: string;
  sub: string;
  restarts: number;
  text: string;
  result: string;
  status: string;
};

export class Service {
  readonly machine: Machine;
  /** Times the cloud was started. */
  #clouds = 0;

  constructor(machine: Machine) {
    this.machine = machine;
  }

  async state(): Promise<State> {
    const names = ['MainPID', 'ActiveState', 'SubState', 'NRestarts', 'StatusText', 'Result', 'ExecMainStatus'];
    const lines = await this.machine.must(`systemctl show syncd -p ${names.join(',')}`);
    const found = Object.fromEntries(lines.split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2)));
    return {
      pid: found.MainPID,
      active: found.ActiveState,
      sub: found.SubState,
      restarts: Number(found.NRestarts),
      text: found.StatusText,
      result: found.Result,
      status: found.ExecMainStatus,
    };
  }

  async until(what: string, holds: (state: State) => boolean, ms = 20_000): Promise<State> {
    return eventually(() => this.state(), holds, what, ms);
  }

  async prepareDatabase(): Promise<void> {
    await this.postgres('CREATE DATABASE pos', 'postgres');
    await this.postgres(TABLES);
  }

  postgres(sql: string, database = 'pos'): Promise<string> {
    return this.machine.must(`runuser -u postgres -- psql -qAt -d ${database} -c "${sql}"`);
  }

  /** The reference cloud, a service beside; starts with what its journal holds. */
  async startCloud(apiKey: string): Promise<void> {
    this.machine.write('/root/cloud.json', JSON.stringify({ apiKey }), 0o600);
    await this.startCloudOf('/usr/lib/syncd');
  }

  /** As it was started last, from where a program lies. */
  async startCloudOf(directory: string): Promise<void> {
    const program = `node ${directory}/dist/demo/cloud/main.js`;
    this.#clouds += 1;
    await this.machine.must(
      `systemd-run --quiet --unit=${this.#cloud()} ${program} --options /root/cloud.json --journal /root/cloud.journal --port ${CLOUD_PORT}`,
    );
  }

  async stopCloud(): Promise<void> {
    await this.machine.must(`systemctl stop ${this.#cloud()}`);
  }

  /** A name for each start: systemd forgets a transient unit in its own time, and until then lets no other take its name. */
  #cloud(): string {
    return `cloud-${this.#clouds}`;
  }

  async sell(count: number): Promise<void> {
    await this.postgres(`INSERT INTO orders (total) SELECT n FROM generate_series(1, ${count}) n`);
  }

  /** One sale after the other. */
  async sellFor(seconds: number): Promise<void> {
    const sale = 'INSERT INTO orders (total) VALUES (1); SELECT pg_sleep(0.02);';
    await this.machine.must(
      `end=$((SECONDS + ${seconds})); while [ $SECONDS -lt $end ]; do echo '${sale}'; done | runuser -u postgres -- psql -q -o /dev/null -v ON_ERROR_STOP=1 -d pos`,
    );
  }

  /** Until nothing waits; what is sold is in the cloud then. */
  async drained(ms = 30_000): Promise<void> {
    await eventually(
      () => this.postgres('SELECT waiting + troubled FROM syncd.sync_light'),
      (waiting) => waiting === '0',
      'everything is in the cloud',
      ms,
    );
  }

  configure(text = CONFIGURATION): void {
    this.machine.write('/etc/syncd/syncd.yaml', text);
  }

  giveKey(key: string): void {
    this.machine.write('/etc/syncd/credentials/cloud_api_key', `${key}\n`, 0o600);
  }

  journal(): Promise<string> {
    return this.machine.must('journalctl -u syncd --no-pager -o cat');
  }
}
