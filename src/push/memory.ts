/** What the push loop knows of the cloud and of the line; it outlives a lost database connection, not the process. */
import { parseCapabilities } from '../cloud/reply.js';
import { type Link, newLink } from './link.js';
import type { Standing } from './standing.js';

export type CloudMemory = {
  standing: Standing;
  link: Link;
  encodings: readonly string[];
};

export function newCloudMemory(): CloudMemory {
  const defaults = parseCapabilities(undefined);
  return {
    standing: { kind: 'unknown' },
    link: newLink(defaults.max_batch_changes, defaults.max_batch_bytes),
    encodings: defaults.encodings,
  };
}
