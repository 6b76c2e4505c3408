/** What the push loop knows of the cloud and of the line; it outlives a lost database connection, not the process. */
import { parseCapabilities } from '../cloud/reply.js';
import type { Standing } from '../cloud/standing.js';
import type { WireCapabilities } from '../cloud/wire.js';
import { type Link, newLink } from './link.js';

export type PushMemory = {
  standing: Standing;
  link: Link;
  encodings: readonly string[];
  /** Undefined: not told yet. */
  capabilities: WireCapabilities | undefined;
  /** When the cloud is asked for its limits next, by the steady clock. */
  askAtMs: number;
};

export function newPushMemory(): PushMemory {
  const defaults = parseCapabilities(undefined);
  return {
    standing: { kind: 'unknown' },
    link: newLink(defaults.max_batch_changes, defaults.max_batch_bytes),
    encodings: defaults.encodings,
    capabilities: undefined,
    askAtMs: 0,
  };
}
