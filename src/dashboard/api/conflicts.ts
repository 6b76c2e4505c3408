/** Conflicts as the API gives them: rows with every digit, the rest as usual. */
import { getExact } from './client.js';
import { type Exact, plain } from './exact.js';
import type { Conflict, Page, Row } from './types.js';

type Members = { [name: string]: Exact };

export async function listConflicts(query: string, signal?: AbortSignal): Promise<Page<Conflict>> {
  const { items, next_cursor } = (await getExact(`/conflicts${query}`, signal)) as Members;
  return { items: (items as Members[]).map(conflictIn), next_cursor: next_cursor as string | null };
}

export async function oneConflict(id: string, signal?: AbortSignal): Promise<Conflict> {
  return conflictIn((await getExact(`/conflicts/${id}`, signal)) as Members);
}

function conflictIn(members: Members): Conflict {
  const { base, local, cloud, result, ...rest } = members;
  const rows = { base, local, cloud, result } as { [K in 'base' | 'local' | 'cloud' | 'result']: Row | null };
  return { ...(plain(rest) as Omit<Conflict, keyof typeof rows>), ...rows };
}
