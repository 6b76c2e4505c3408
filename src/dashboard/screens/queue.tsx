/** What is not in the cloud yet, what failed with the cloud's own words, what was settled: in pages, with what can be done. */
import { useState } from 'preact/hooks';
import { get, post } from '../api/client.js';
import type { Page, QueueItem } from '../api/types.js';
import { useWords } from '../i18n/words.js';
import { useAct, useMayAct } from '../parts/act.js';
import { Dialog } from '../parts/dialog.js';
import { EntityFilter } from '../parts/entity-filter.js';
import { Icon } from '../parts/icon.js';
import { Listing, ScreenHead, Tabs } from '../parts/listing.js';
import { QueueTable } from '../parts/queue-table.js';
import { live } from '../state/live.js';
import { query, usePages } from '../state/load.js';
import { hashOf, type Place } from '../state/route.js';
import { useStore } from '../state/store.js';

type QueueStatus = Extract<Place, { screen: 'queue' }>['status'];

export function Queue({ status }: { status: QueueStatus }) {
  const { t } = useWords();
  const [entity, setEntity] = useState('');
  const turn = useStore(live, (now) => now.queueTurn);
  const failed = useStore(live, (now) => now.status?.failed);
  // The list has the failed ones and those in conflict too, whose changes nobody counts apart.
  const waiting = useStore(live, ({ status: now }) =>
    now?.failed === 0 && now.conflicts === 0 ? now.pending : undefined,
  );
  const mayAct = useMayAct();
  const filter = { status: status === 'waiting' ? undefined : status, entity: entity || undefined };
  const paged = usePages<QueueItem>(
    (cursor, signal) => get<Page<QueueItem>>(`/queue${query({ ...filter, cursor, limit: '50' })}`, signal),
    `queue ${status} ${entity}`,
    turn,
  );
  const tabs = (['waiting', 'failed', 'synced'] as const).map((one) => ({
    href: hashOf({ screen: 'queue', status: one }),
    label: t.queue.tabs[one],
    current: one === status,
    count: one === 'waiting' ? waiting : one === 'failed' ? failed : undefined,
  }));
  return (
    <>
      <ScreenHead title={t.queue.title} />
      <div class="row tools">
        <Tabs label={t.queue.title} tabs={tabs} />
        <EntityFilter key={status} onChange={setEntity} />
        {status === 'failed' && mayAct && (failed ?? 0) > 0 && <RetryAll failed={failed ?? 0} onDone={paged.again} />}
      </div>
      <p class="lead">{t.queue.lead[status]}</p>
      <Listing paged={paged} empty={t.queue.empty[status]}>
        {(items) => <QueueTable items={items} settled={status === 'synced'} onDone={paged.again} />}
      </Listing>
    </>
  );
}

function RetryAll({ failed, onDone }: { failed: number; onDone: () => void }) {
  const { t, f } = useWords();
  const [asking, setAsking] = useState(false);
  const { busy, run } = useAct(async () => {
    const { done } = await post<{ done: number }>('/retry');
    return t.queue.retried(f.number(done));
  });
  return (
    <>
      <button type="button" class="button small" onClick={() => setAsking(true)}>
        <Icon name="retry" />
        {t.queue.retryAll}
      </button>
      {asking && (
        <Dialog
          title={t.queue.retryAll}
          does={t.queue.retryAll}
          busy={busy}
          onClose={() => setAsking(false)}
          onDo={async () => {
            if (!(await run())) return;
            setAsking(false);
            onDone();
          }}
        >
          {t.queue.retryAllText(f.number(failed))}
        </Dialog>
      )}
    </>
  );
}
