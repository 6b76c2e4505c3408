/**
 * The ways to capture a sale that A1 to A5 compare, each in a database of its own in one cluster, all copies of one shop.
 * A variant's `attend` starts what belongs to it while the till sells: somebody who listens, or the lock of a daemon that
 * is awake.
 */
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { LOCK_CLASS, LOCKS, WAKE_CHANNEL } from '../../src/db/schema.js';
import type { Cluster } from '../../src/demo/postgres.js';
import { installSyncd } from './daemon.js';
import { onDatabase } from './server.js';

export type VariantName = 'none' | 'smallest' | 'naive' | 'folded' | 'symmetric' | 'awake' | 'asleep';

export type Variant = {
  name: VariantName;
  title: string;
  database: string;
  /** What it fills; emptied before every round. */
  queue: string | undefined;
  install(cluster: Cluster, database: string): Promise<void>;
  /** A statement for a connection that stays open during a round. */
  attend: string | undefined;
};

export const VARIANTS: Variant[] = [
  { name: 'none', title: 'no trigger', database: 'none', queue: undefined, install: async () => {}, attend: undefined },
  {
    name: 'smallest',
    title: 'smallest trigger',
    database: 'smallest',
    queue: 'reference.sync_queue',
    install: (cluster, database) => runReferences(cluster.url(database), 'queue', 'smallest'),
    attend: undefined,
  },
  {
    name: 'naive',
    title: 'row trigger + NOTIFY',
    database: 'naive',
    queue: 'reference.sync_queue',
    install: (cluster, database) => runReferences(cluster.url(database), 'queue', 'naive'),
    attend: 'LISTEN reference',
  },
  {
    name: 'folded',
    title: 'row trigger + one NOTIFY a sale',
    database: 'folded',
    queue: 'reference.sync_queue',
    install: (cluster, database) => runReferences(cluster.url(database), 'queue', 'folded', 'naive'),
    attend: 'LISTEN reference',
  },
  {
    name: 'symmetric',
    title: 'SymmetricDS-shaped trigger',
    database: 'symmetricds',
    queue: 'symmetricds.sym_data',
    install: (cluster, database) => runReferences(cluster.url(database), 'symmetric'),
    attend: undefined,
  },
  {
    name: 'awake',
    title: 'syncd, daemon awake',
    database: 'syncd',
    queue: 'syncd.sync_queue',
    install: installSyncd,
    attend: `SELECT pg_advisory_lock(${LOCK_CLASS}, ${LOCKS.gateAwake})`,
  },
  {
    name: 'asleep',
    title: 'syncd, daemon asleep',
    database: 'syncd',
    queue: 'syncd.sync_queue',
    install: installSyncd,
    attend: `LISTEN ${WAKE_CHANNEL}; SELECT pg_advisory_lock(${LOCK_CLASS}, ${LOCKS.present})`,
  },
];

/** A database with the shop in it; the variants are copied from the one called `shop`. */
export async function createShop(cluster: Cluster, database = 'shop'): Promise<void> {
  const url = await cluster.createDatabase(database);
  await onDatabase(url, (client) => client.query(sql('shop')));
}

export async function createVariant(cluster: Cluster, variant: Variant): Promise<void> {
  await onDatabase(cluster.url(), (client) => client.query(`CREATE DATABASE ${variant.database} TEMPLATE shop`));
  await variant.install(cluster, variant.database);
}

/** Brings a variant to where every round starts: its queue empty, its tables vacuumed, nothing left for a checkpoint. */
export async function freshen(cluster: Cluster, variant: Variant): Promise<void> {
  await onDatabase(cluster.url(variant.database), async (client) => {
    if (variant.queue) await client.query(`TRUNCATE ${variant.queue}`);
    await client.query('VACUUM (ANALYZE)');
    await client.query('CHECKPOINT');
  });
}

/** Does `work` while the variant's companion is connected. */
export async function attended<T>(cluster: Cluster, variant: Variant, work: () => Promise<T>): Promise<T> {
  if (!variant.attend) return work();
  const client = new pg.Client(cluster.url(variant.database));
  await client.connect();
  try {
    await client.query(variant.attend);
    return await work();
  } finally {
    await client.end();
  }
}

/** Runs SQL files of references/ on a database. */
export async function runReferences(url: string, ...references: string[]): Promise<void> {
  await onDatabase(url, async (client) => {
    for (const reference of references) await client.query(sql(`references/${reference}`));
  });
}

function sql(name: string): string {
  return readFileSync(new URL(`${name}.sql`, import.meta.url), 'utf8');
}
