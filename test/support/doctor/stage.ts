/** A shop that is examined: installed, with a daemon's sign of life and a cloud, and ways to break each of them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Server as AnyServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LoadedSettings, loadSettings } from '../../../src/config/load.js';
import type { Settings } from '../../../src/config/settings.js';
import type { ReferenceCloud } from '../../../src/demo/cloud/reference-cloud.js';
import { startReferenceCloud } from '../../../src/demo/cloud/server.js';
import { Cluster } from '../../../src/demo/postgres.js';
import { examine } from '../../../src/doctor/examine.js';
import type { Finding } from '../../../src/doctor/finding.js';
import { poolerProxy } from '../pooler-proxy.js';
import { openShop, type Shop } from '../shop.js';

const KEY = 'planted-api-key-123';

/** What is set otherwise; a section is changed field by field. */
export type Change = {
  [K in keyof Settings]?: NonNullable<Settings[K]> extends object ? Partial<NonNullable<Settings[K]>> : Settings[K];
};

export class DoctorStage {
  readonly directory = mkdtempSync(join(tmpdir(), 'syncd-doctor-'));
  readonly cluster: Cluster;
  readonly shop: Shop;
  readonly loaded: LoadedSettings;
  readonly #cloud: ReferenceCloud;
  readonly #servers: AnyServer[] = [];
  #certificate: { key: string; cert: string } | undefined;

  private constructor(cluster: Cluster, shop: Shop, cloud: ReferenceCloud) {
    this.cluster = cluster;
    this.shop = shop;
    this.#cloud = cloud;
    const loaded = loadSettings({ file: shop.config, env: {} });
    const { settings } = loaded;
    this.loaded = {
      ...loaded,
      settings: { ...settings, state_dir: this.directory, cloud: { ...settings.cloud, url: cloud.url } },
    };
  }

  static async open(): Promise<DoctorStage> {
    const cluster = await Cluster.start();
    const shop = await openShop(cluster, 'doctor');
    const stage = new DoctorStage(cluster, shop, await startReferenceCloud({ apiKey: KEY }));
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
    await shop.sql.query(
      `INSERT INTO syncd.daemon (id, host, pid, version, leader_epoch, started_at, online)
       VALUES (gen_random_uuid(), 'till-7', 812, $1, 1, now() + interval '1 min', true)`,
      [version],
    );
    return stage;
  }

  async close(): Promise<void> {
    for (const server of this.#servers) server.close();
    await this.#cloud.stop();
    await this.shop.close();
    await this.cluster.destroy();
    rmSync(this.directory, { recursive: true });
  }

  /** Examines the shop with some settings changed. */
  async findings(change: Change = {}): Promise<Finding[]> {
    await this.shop.sql.query('UPDATE syncd.daemon SET heartbeat_at = clock_timestamp()');
    const settings = { ...this.loaded.settings } as Record<string, unknown>;
    for (const [section, given] of Object.entries(change)) {
      const before = settings[section];
      const whole = given instanceof Map || typeof given !== 'object';
      settings[section] = whole ? given : { ...(before as object), ...given };
    }
    return examine({ ...this.loaded, settings: settings as Settings });
  }

  /** Something that is not the cloud. @returns its URL */
  async stranger(answer: RequestListener): Promise<string> {
    return this.#serve(createServer(answer));
  }

  /** A cloud over TLS for localhost whose clock is `aheadMs` ahead of ours. */
  async tlsCloud(aheadMs: number): Promise<string> {
    const server = createTlsServer(this.certificate, (_, answer) => {
      const date = new Date(Date.now() + aheadMs).toUTCString();
      answer.writeHead(200, { date, 'content-type': 'application/json' }).end('{}');
    });
    return (await this.#serve(server as unknown as Server)).replace('http://127.0.0.1', 'https://localhost');
  }

  /** Self-signed, for localhost, good for ten days. */
  get certificate(): { key: string; cert: string } {
    if (this.#certificate) return this.#certificate;
    const [key, cert] = [join(this.directory, 'key.pem'), join(this.directory, 'cert.pem')];
    const made = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 10 -subj /CN=localhost -addext';
    const names = ['subjectAltName=DNS:localhost', '-keyout', key, '-out', cert];
    execFileSync('openssl', ['req', ...made.split(' '), ...names], { stdio: 'ignore' });
    this.#certificate = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
    return this.#certificate;
  }

  /** The way to the database through a pooler. */
  async pooled(): Promise<string> {
    const url = new URL(this.shop.url);
    const proxy = await poolerProxy(Number(url.port), url.hostname);
    this.#servers.push(proxy);
    url.port = String((proxy.address() as AddressInfo).port);
    return url.href;
  }

  async #serve(server: Server): Promise<string> {
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
}
