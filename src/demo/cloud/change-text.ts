/** How the cloud writes a change down: the same text in a page, in a webhook and for a single entity. Pure. */
import type { FeedEntry } from './records.js';

/** One change as pulls and webhooks carry it, its row spliced in as the text that came; a hint leaves the row out. */
export function changeText(entry: FeedEntry, as: 'row' | 'hint' = 'row'): string {
  const { entity_type, entity_id, cloud_id, operation, cloud_version, updated_at, origin_outlet_id } = entry;
  const { changed_fields, data } = entry;
  const fields = changed_fields === null ? {} : { changed_fields };
  const head = { entity_type, entity_id, cloud_id, operation, cloud_version, updated_at, origin_outlet_id, ...fields };
  const text = JSON.stringify(head);
  return as === 'hint' ? text : `${text.slice(0, -1)},"data":${data ?? 'null'}}`;
}
