/** What a daemon keeps from one set of database connections to the next: its settings, and what it knows of the cloud. */
import type { ClockOffset } from '../cloud/clock.js';
import type { Settings } from '../config/settings.js';
import type { ClockLog } from '../db/clock-log.js';
import type { WebhookListener } from '../http/webhooks/listener.js';
import type { Log } from '../log.js';
import type { WatchedConfiguration } from '../ops/configuration-watch.js';
import type { Metrics } from '../ops/figures/metrics.js';
import type { OutageLedger } from '../ops/figures/outages.js';
import type { IdentityCheck } from '../ops/identity/check.js';
import type { Tally } from '../ops/status/systemd-line.js';
import type { Vitals } from '../ops/status/vitals.js';
import type { PushMemory } from '../push/memory.js';
import type { OnStep } from '../step.js';
import type { StandingBy } from './connections.js';
import type { IncomingMemory } from './incoming.js';

export type Across = {
  settings: Settings;
  log: Log;
  memory: PushMemory;
  incoming: IncomingMemory;
  clock: ClockOffset;
  clockLog: ClockLog;
  /** Hears the cloud also while there is no database, and asks it to come again. */
  webhooks: WebhookListener | undefined;
  vitals: Vitals;
  outages: OutageLedger;
  metrics: Metrics;
  /** What waits, for the service manager; undefined where nobody asks. */
  tally: Tally | undefined;
  /** Looked at now and then; undefined where the settings come from no file. */
  configuration: WatchedConfiguration | undefined;
  /** How to wait beside a leader; undefined: where another one leads this daemon ends. */
  standby: ((check: IdentityCheck) => StandingBy) | undefined;
  /** The daemon is to stop. */
  signal: AbortSignal;
  /** There are other settings: this session ends, the next one begins. */
  renewed: AbortSignal;
  onStep: OnStep | undefined;
};
