/** What the webhook listener's thread and the rest of the daemon tell each other. Types alone. */
import type { WebhookSettings } from '../../config/settings.js';
import type { SignedEvent, Stored } from './webhooks.js';

export type ThreadData = WebhookSettings;

export type ToThread =
  /** To be added to the outlet's wall clock for the cloud's, in ms. */
  | { kind: 'clock'; correctionMs: number }
  /** The database is there. `bodyRefused`: what the ratchet of profile `auto` says. */
  | { kind: 'serving'; bodyRefused: boolean }
  | { kind: 'away' }
  | { kind: 'stored'; request: number; stored: Stored }
  | { kind: 'stop' };

export type FromThread =
  | { kind: 'listening'; port: number }
  | { kind: 'deaf'; reason: string; hint: string }
  | { kind: 'store'; request: number; event: SignedEvent }
  | { kind: 'untimely' }
  /** How many requests were answered since the last time, by route and status, `update 401` say. */
  | { kind: 'answers'; answers: ReadonlyMap<string, number> }
  | { kind: 'fault'; what: string; error: string }
  | { kind: 'stopped' };
