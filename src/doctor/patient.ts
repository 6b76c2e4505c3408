/** Who is examined: one outlet, as its configuration describes it, and what the checks before have laid open. */
import type { CloudClient } from '../cloud/client.js';
import type { ClockOffset } from '../cloud/clock.js';
import type { Settings } from '../config/settings.js';
import { type Db, LOCKED_FOR, openDb } from '../db/connect.js';
import type { Facts } from '../ops/status/read.js';
import type { Finding, Unnamed } from './finding.js';

export type Patient = {
  settings: Settings;
  url: string;
  db: Db;
  client: CloudClient;
  clock: ClockOffset;
  /** What `syncd status` goes by; there once the check of the schema has passed. */
  facts?: Facts;
};

/** A line far away is slow; beyond this a check counts as failed. */
export const LIMIT_MS = 15_000;

/** A check that waits for a lock ends well before its limit, or it would keep the one connection from those that follow. */
export function openBedside(url: string): Db {
  return openDb(url, { role: 'doctor', connectTimeoutMs: 5_000, queryTimeoutMs: LIMIT_MS, settings: [LOCKED_FOR] });
}

/** What must have been found in order before a check makes sense. */
export type Ground = 'database' | 'schema' | 'key' | 'name' | 'tls' | 'cloud';

export type Check = {
  name: Finding['name'];
  /** Skipped where one of these has not been proved. */
  needs: Ground[];
  /** Proved by this check where nothing of it failed. */
  proves?: Ground;
  /** May take its time up to a limit; what it throws becomes a finding. */
  look(patient: Patient): Promise<Unnamed[]>;
};
