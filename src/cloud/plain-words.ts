/**
 * The cloud for a shop whose database knows few characters: what a refusal says in words is kept in ASCII, for it is written down in
 * many places, and one dash that the database does not know would end the work on it each time. Rows are not touched: they are
 * in answers of status 200, and have their own way in.
 */

import { inAscii } from './ascii.js';
import type { CloudClient } from './client.js';
import type { Reply } from './reply.js';

export function inPlainWords(client: CloudClient): CloudClient {
  return {
    async push(...given) {
      const { reply, ...rest } = await client.push(...given);
      return { reply: plain(reply), ...rest };
    },
    changes: async (...given) => plain(await client.changes(...given)),
    entity: async (...given) => plain(await client.entity(...given)),
    entityVersion: async (...given) => plain(await client.entityVersion(...given)),
    digest: async (...given) => plain(await client.digest(...given)),
    digestEntities: async (...given) => plain(await client.digestEntities(...given)),
    health: async () => plain(await client.health()),
    capabilities: async () => plain(await client.capabilities()),
    abort: () => client.abort(),
    get aborted() {
      return client.aborted;
    },
  };
}

function plain(reply: Reply): Reply {
  if (reply.kind === 'none') return { ...reply, error: inAscii(reply.error) };
  if (reply.status === 200) return reply;
  return { ...reply, body: inAscii(reply.body).replaceAll(ESCAPED, (found) => (found === '\\\\' ? found : '?')) };
}

/** A character beyond ASCII as JSON may write it, or a backslash that stands for itself. */
const ESCAPED = /\\\\|\\u(?!00[0-7])[0-9a-fA-F]{4}/g;
