/** Changes of the queue, each with where it stands, what the cloud said of it, and what can be done. */
import { useState } from 'preact/hooks';
import { post } from '../api/client.js';
import type { QueueItem } from '../api/types.js';
import { useWords } from '../i18n/words.js';
import type { Tone } from '../state/answer.js';
import { serverNow } from '../state/live.js';
import { useAct, useMayAct } from './act.js';
import { Badge } from './badge.js';
import { Dialog } from './dialog.js';
import { EntityLink } from './entity-link.js';
import { Icon } from './icon.js';

export const CHANGE_TONES: Record<QueueItem['status'], Tone> = {
  pending: 'waiting',
  failed: 'attention',
  conflict: 'attention',
  synced: 'ok',
};

type QueueTableProps = { items: QueueItem[]; settled: boolean; onDone: () => void };

export function QueueTable({ items, settled, onDone }: QueueTableProps) {
  const { t } = useWords();
  const mayAct = useMayAct();
  const acts = mayAct && !settled;
  return (
    <table class="list">
      <caption class="sr">{t.queue.caption}</caption>
      <thead>
        <tr>
          <th scope="col">{t.queue.what}</th>
          <th scope="col">{settled ? t.queue.sent : t.queue.when}</th>
          <th scope="col">{t.queue.state}</th>
          <th scope="col">{t.queue.said}</th>
          {acts && (
            <th scope="col">
              <span class="sr">{t.queue.retry}</span>
            </th>
          )}
        </tr>
      </thead>
      <tbody>
        {items.map((item) => (
          <Row key={item.id} item={item} settled={settled} acts={acts} onDone={onDone} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ item, settled, acts, onDone }: Omit<QueueTableProps, 'items'> & { item: QueueItem; acts: boolean }) {
  const { t, f } = useWords();
  const at = (settled ? item.synced_at : item.created_at) ?? item.created_at;
  const now = serverNow();
  return (
    <tr>
      <th scope="row">
        <EntityLink type={item.entity_type} id={item.entity_id} />{' '}
        <span class="soft nowrap">{t.queue.operation[item.operation] ?? item.operation}</span>
      </th>
      <td data-label={settled ? t.queue.sent : t.queue.when}>
        <time dateTime={at} title={f.instant(at)} class="nowrap">
          {f.time(at, now)}
        </time>
      </td>
      <td data-label={t.queue.state}>
        <div>
          <Badge tone={CHANGE_TONES[item.status]}>{t.queue.status[item.status] ?? item.status}</Badge>
          {item.next_attempt_at && (
            <div class="soft small">
              {t.queue.tries(f.number(item.retry_count))}, {t.queue.nextTry(f.time(item.next_attempt_at, now))}
            </div>
          )}
        </div>
      </td>
      <td data-label={item.error_message === null ? undefined : t.queue.said}>
        {item.error_message !== null && <span class="said">{item.error_message}</span>}
      </td>
      {acts && <td class="acts">{item.status === 'failed' && <Acts item={item} onDone={onDone} />}</td>}
    </tr>
  );
}

function Acts({ item, onDone }: { item: QueueItem; onDone: () => void }) {
  const { t, f } = useWords();
  const [asking, setAsking] = useState(false);
  const name = `${item.entity_type} ${item.entity_id}`;
  const retry = useAct(async () => {
    await post(`/retry/${item.id}`);
    return t.queue.retried(f.number(1));
  });
  const discard = useAct(async (reason: string) => {
    await post(`/discard/${item.id}`, { reason });
    return t.queue.discarded;
  });
  return (
    <div class="row">
      <button
        type="button"
        class="button small"
        disabled={retry.busy}
        onClick={async () => {
          if (await retry.run()) onDone();
        }}
      >
        <Icon name="retry" />
        {t.queue.retry}
        <span class="sr">: {name}</span>
      </button>
      <button type="button" class="button small plain" onClick={() => setAsking(true)}>
        {t.queue.discard}
        <span class="sr">: {name}</span>
      </button>
      {asking && (
        <Dialog
          title={t.queue.discardTitle}
          does={t.queue.discardTitle.replace('?', '')}
          reason="wanted"
          busy={discard.busy}
          onClose={() => setAsking(false)}
          onDo={async (reason) => {
            if (!(await discard.run(reason ?? ''))) return;
            setAsking(false);
            onDone();
          }}
        >
          <p>
            <strong>{name}</strong>
          </p>
          <p>{t.queue.discardText}</p>
        </Dialog>
      )}
    </div>
  );
}
