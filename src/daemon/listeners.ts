/**
 * The two ports of the daemon, opened and closed together: both outlive the sessions with the database. A daemon that only
 * stands by has neither; it opens them when it begins to lead. When the configuration changes, what it is about is opened anew;
 * whoever calls in that moment calls again.
 */
import { isDeepStrictEqual } from 'node:util';
import type { ClockOffset } from '../cloud/clock.js';
import type { Settings } from '../config/settings.js';
import { AdminListener } from '../http/admin/listener.js';
import type { Measured } from '../http/route.js';
import { WebhookListener } from '../http/webhooks/listener.js';
import type { Log } from '../log.js';
import type { Vitals } from '../ops/status/vitals.js';

export type ListenersDeps = {
  settings: Settings;
  log: Log;
  vitals: Vitals;
  measured: Measured;
  clock: () => ClockOffset;
};

type Open = { admin: AdminListener; webhooks: WebhookListener | undefined };

export class Listeners {
  readonly #deps: ListenersDeps;
  #settings: Settings;
  #open: Open | undefined;

  constructor(deps: ListenersDeps) {
    this.#deps = deps;
    this.#settings = deps.settings;
  }

  /** Undefined where none is configured, or none is open. */
  get webhooks(): WebhookListener | undefined {
    return this.#open?.webhooks;
  }

  /** Returns at once; where an address is taken it goes on trying. @throws SyncError `configuration` where there is no token */
  open(): void {
    if (this.#open) return;
    this.#open = { admin: this.#newAdmin(), webhooks: this.#newWebhooks() };
    void this.#open.webhooks?.start();
    void this.#open.admin.start();
  }

  /** Goes by other settings from now on. Never throws: where there is no token, the admin port stays as it was. */
  async follow(settings: Settings): Promise<void> {
    const before = this.#settings;
    this.#settings = settings;
    const open = this.#open;
    if (!open || settings === before) return;
    if (!isDeepStrictEqual(settings.webhook, before.webhook)) {
      await open.webhooks?.stop();
      open.webhooks = this.#newWebhooks();
      void open.webhooks?.start();
    }
    try {
      const admin = this.#newAdmin();
      await open.admin.stop();
      open.admin = admin;
      void admin.start();
    } catch (error) {
      this.#deps.log.error('the admin port stays as it was', { trouble: 'admin settings', error });
    }
  }

  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await Promise.all([open?.webhooks?.stop(), open?.admin.stop()]);
  }

  #newWebhooks(): WebhookListener | undefined {
    const { log, clock, measured } = this.#deps;
    const settings = this.#settings.webhook;
    return (
      settings &&
      new WebhookListener({
        settings,
        log,
        correctionMs: () => clock().correctionMs,
        onAnswers: (answers) => measured.metrics.noteWebhooks(answers),
      })
    );
  }

  #newAdmin(): AdminListener {
    const { log, vitals, measured } = this.#deps;
    return new AdminListener({ settings: this.#settings, log, vitals, measured });
  }
}
