/** Conflicts in pages: one at a time to look at and choose, or many at once by a strategy. */
import { useState } from 'preact/hooks';
import { listConflicts } from '../api/conflicts.js';
import type { Conflict } from '../api/types.js';
import { useWords } from '../i18n/words.js';
import { useMayAct } from '../parts/act.js';
import { Badge } from '../parts/badge.js';
import { BulkResolve } from '../parts/bulk-resolve.js';
import { EntityFilter } from '../parts/entity-filter.js';
import { Listing, ScreenHead, Tabs } from '../parts/listing.js';
import { live, serverNow } from '../state/live.js';
import { query, usePages } from '../state/load.js';
import { hashOf } from '../state/route.js';
import { useStore } from '../state/store.js';

export function Conflicts({ status }: { status: 'open' | 'resolved' }) {
  const { t } = useWords();
  const [entity, setEntity] = useState('');
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const turn = useStore(live, (now) => now.conflictTurn);
  const open = useStore(live, (now) => now.status?.conflicts);
  const mayAct = useMayAct();
  const filter = { status, entity: entity || undefined };
  const paged = usePages<Conflict>(
    (cursor, signal) => listConflicts(query({ ...filter, cursor, limit: '50' }), signal),
    `conflicts ${status} ${entity}`,
    turn,
  );
  const tabs = (['open', 'resolved'] as const).map((one) => ({
    href: hashOf({ screen: 'conflicts', status: one }),
    label: t.conflicts.tabs[one],
    current: one === status,
    count: one === 'open' ? open : undefined,
  }));
  const isOpen = status === 'open';
  const there = (paged.value?.items ?? []).map(({ id }) => id);
  const chosenHere = there.filter((id) => chosen.has(id));
  return (
    <>
      <ScreenHead title={t.conflicts.title} />
      <div class="row tools">
        <Tabs label={t.conflicts.title} tabs={tabs} />
        <EntityFilter
          key={status}
          onChange={(type) => {
            setEntity(type);
            setChosen(new Set());
          }}
        />
      </div>
      <p class="lead">{t.conflicts.lead}</p>
      {isOpen && mayAct && there.length > 0 && (
        <BulkResolve
          chosen={chosenHere}
          filter={entity}
          open={entity === '' ? (open ?? undefined) : undefined}
          allChosen={chosenHere.length === there.length}
          onChooseAll={(all) => setChosen(new Set(all ? there : []))}
          onDone={() => {
            setChosen(new Set());
            paged.again();
          }}
        />
      )}
      <Listing paged={paged} empty={t.conflicts.empty[status]}>
        {(items) => (
          <ul class="conflicts">
            {items.map((conflict) => (
              <Item
                key={conflict.id}
                conflict={conflict}
                chosen={isOpen && mayAct ? chosen.has(conflict.id) : undefined}
                onChoose={(on) => {
                  const next = new Set(chosen);
                  if (on) next.add(conflict.id);
                  else next.delete(conflict.id);
                  setChosen(next);
                }}
              />
            ))}
          </ul>
        )}
      </Listing>
    </>
  );
}

type ItemProps = { conflict: Conflict; chosen: boolean | undefined; onChoose: (on: boolean) => void };

function Item({ conflict, chosen, onChoose }: ItemProps) {
  const { t, f } = useWords();
  const { id, entity_type, entity_id, fields, local, cloud, detected_at, status, resolved_at, resolution } = conflict;
  const name = `${entity_type} ${entity_id}`;
  const deleted = local === null ? t.conflicts.deletedShop : cloud === null ? t.conflicts.deletedCloud : undefined;
  return (
    <li>
      {chosen !== undefined && (
        <label class="check">
          <input type="checkbox" checked={chosen} onChange={(event) => onChoose(event.currentTarget.checked)} />
          <span class="sr">
            {t.conflicts.select}: {name}
          </span>
        </label>
      )}
      <a class="conflict-link" href={hashOf({ screen: 'conflict', id })}>
        <span class="name">
          {entity_type} <bdi>{entity_id}</bdi>
        </span>
        <span class="soft small">
          {deleted ?? `${t.conflicts.differing(f.number(fields.length))}: ${fields.join(', ')}`}
        </span>
      </a>
      <span class="conflict-state">
        {status === 'resolved' ? (
          <Badge tone="ok">{t.conflicts.resolution[resolution ?? ''] ?? t.conflicts.tabs.resolved}</Badge>
        ) : null}
        <time class="soft small nowrap" dateTime={resolved_at ?? detected_at}>
          {status === 'resolved' ? t.conflicts.resolvedAt : t.conflicts.found}{' '}
          {f.time(resolved_at ?? detected_at, serverNow())}
        </time>
      </span>
    </li>
  );
}
