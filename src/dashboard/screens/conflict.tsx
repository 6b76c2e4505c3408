/** One conflict, both sides beside each other: what to keep is chosen here, or, once it is over, who chose what. */
import { oneConflict } from '../api/conflicts.js';
import type { Conflict } from '../api/types.js';
import { useWords } from '../i18n/words.js';
import { useMayAct } from '../parts/act.js';
import { Badge } from '../parts/badge.js';
import { ConflictChoice } from '../parts/conflict-choice.js';
import { ConflictTable } from '../parts/conflict-table.js';
import { EntityLink } from '../parts/entity-link.js';
import { Icon } from '../parts/icon.js';
import { TroubleNotice } from '../parts/notice.js';
import { useMoneyField, Value } from '../parts/value.js';
import { discardedIn } from '../state/choice.js';
import { live } from '../state/live.js';
import { useLoad } from '../state/load.js';
import { hashOf } from '../state/route.js';
import { useStore } from '../state/store.js';

export function ConflictScreen({ id }: { id: string }) {
  const { t } = useWords();
  const turn = useStore(live, (now) => now.conflictTurn);
  const { value, trouble, again } = useLoad((signal) => oneConflict(id, signal), `conflict ${id}`, turn);
  return (
    <div class="stack">
      <p>
        <a class="back" href={hashOf({ screen: 'conflicts', status: value?.status ?? 'open' })}>
          <Icon name="back" />
          {t.conflicts.title}
        </a>
      </p>
      {trouble && !value && (
        <TroubleNotice
          trouble={trouble.kind === 'unknown-conflict' ? { ...trouble, detail: t.conflicts.gone } : trouble}
          again={again}
        />
      )}
      {!value && !trouble && (
        <div class="card wait soft" aria-busy="true">
          {t.loading} …
        </div>
      )}
      {value && <Shown key={`${value.id} ${value.status}`} conflict={value} onDone={again} />}
    </div>
  );
}

function Shown({ conflict, onDone }: { conflict: Conflict; onDone: () => void }) {
  const { t, f } = useWords();
  const mayAct = useMayAct();
  const { entity_type, entity_id, detected_at, source, status } = conflict;
  return (
    <>
      <div class="screen-head">
        <h1>
          <EntityLink type={entity_type} id={entity_id} />
        </h1>
        {status === 'open' ? (
          <Badge tone="attention">{t.conflicts.tabs.open}</Badge>
        ) : (
          <Badge tone="ok">{t.conflicts.tabs.resolved}</Badge>
        )}
        <p>
          {t.conflicts.found} {f.instant(detected_at)} · {t.conflicts.source} {t.conflicts.sources[source] ?? source}
        </p>
      </div>
      {status === 'resolved' && <Ending conflict={conflict} />}
      {status === 'open' && mayAct ? (
        <ConflictChoice conflict={conflict} onDone={onDone} />
      ) : (
        <div class="card">
          <ConflictTable conflict={conflict} />
        </div>
      )}
    </>
  );
}

function Ending({ conflict }: { conflict: Conflict }) {
  const { t, f } = useWords();
  const money = useMoneyField(conflict.entity_type);
  const { resolution, resolved_at, resolved_by, reason, strategy } = conflict;
  const discarded = discardedIn(conflict);
  return (
    <div class="card">
      <dl class="facts">
        <dt>{t.conflicts.kept}</dt>
        <dd>{t.conflicts.resolution[resolution ?? ''] ?? resolution}</dd>
        <dt>{t.conflicts.when}</dt>
        <dd>{resolved_at === null ? '–' : f.instant(resolved_at)}</dd>
        <dt>{t.conflicts.by}</dt>
        <dd>{resolved_by}</dd>
        <dt>{t.conflicts.how}</dt>
        <dd>{t.conflicts.strategy[strategy] ?? strategy}</dd>
        {reason !== null && (
          <>
            <dt>{t.conflicts.why}</dt>
            <dd>{reason}</dd>
          </>
        )}
        <dt>{t.conflicts.discarded}</dt>
        <dd>
          {discarded.length === 0 ? (
            t.none
          ) : (
            <ul class="discarded">
              {discarded.map(({ name, side, value }) => (
                <li key={name + side}>
                  <span class="soft">
                    {name} ({side === 'shop' ? t.conflicts.shop : t.conflicts.cloud}):
                  </span>{' '}
                  <del>
                    <Value value={value} money={name === money} />
                  </del>
                </li>
              ))}
            </ul>
          )}
        </dd>
      </dl>
    </div>
  );
}
