/** A page of changes as an outlet reads it from the reference cloud. */
import type { PretendOutlet } from './pretend-outlet.js';

type Pulled = { entity_type: string; entity_id: string; operation: string; cloud_version: number; data: unknown };
export type Page = {
  changes: Pulled[];
  next_cursor: string;
  has_more: boolean;
  cloud_epoch: string;
  server_time: string;
};

/** @throws where the cloud answers with anything but a page */
export async function pull(outlet: PretendOutlet, query = ''): Promise<Page> {
  const { status, text } = await outlet.get(`/sync/changes?${query}`);
  if (status !== 200) throw new Error(`${status} ${text}`);
  return JSON.parse(text) as Page;
}

export const idsOf = (page: Page): string[] => page.changes.map((change) => change.entity_id);
