/** One entity's history as the API gives it: rows with every digit, the rest as usual. */
import { getExact } from './client.js';
import { type Exact, plain } from './exact.js';
import type { PastChange, Row, Timeline } from './types.js';

type Members = { [name: string]: Exact };

export async function timelineOf(type: string, id: string, signal?: AbortSignal): Promise<Timeline> {
  const path = `/entities/${encodeURIComponent(type)}/${encodeURIComponent(id)}/history`;
  const { changes, ...standing } = (await getExact(path, signal)) as Members;
  return { ...(plain(standing) as Omit<Timeline, 'changes'>), changes: (changes as Members[]).map(changeIn) };
}

function changeIn({ data, previous, ...rest }: Members): PastChange {
  const known = plain(rest) as Omit<PastChange, 'data' | 'previous'>;
  return { ...known, data: data as Row | null, previous: previous as Row | null };
}
