/** One record's history: how both sides stand, every change with what was sent and what was answered. */
import { post } from '../api/client.js';
import { timelineOf } from '../api/timeline.js';
import type { IncomingItem, Timeline } from '../api/types.js';
import { useWords } from '../i18n/words.js';
import { useAct, useMayAct } from '../parts/act.js';
import { Badge } from '../parts/badge.js';
import { ChangeStory } from '../parts/change-story.js';
import { Icon } from '../parts/icon.js';
import { ScreenHead } from '../parts/listing.js';
import { Notice, TroubleNotice } from '../parts/notice.js';
import { CHANGE_TONES } from '../parts/queue-table.js';
import { live, serverNow } from '../state/live.js';
import { useLoad } from '../state/load.js';
import { session } from '../state/session.js';
import { useStore } from '../state/store.js';

export function EntityScreen({ type, id }: { type: string; id: string }) {
  const { t, f } = useWords();
  const turn = useStore(live, (now) => now.queueTurn + now.conflictTurn);
  const { value, trouble, again } = useLoad((signal) => timelineOf(type, id, signal), `entity ${type} ${id}`, turn);
  const unknown = trouble?.kind === 'unknown-entity';
  return (
    <>
      <ScreenHead title={`${type} ${id}`} />
      <div class="stack">
        {trouble && !value && (
          <TroubleNotice trouble={unknown ? { ...trouble, detail: t.entity.notFound } : trouble} again={again} />
        )}
        {!value && !trouble && (
          <div class="card wait soft" aria-busy="true">
            {t.loading} …
          </div>
        )}
        {value && (
          <>
            <Standing timeline={value} onDone={again} />
            {value.incoming.map((item) => (
              <Incoming key={item.id} item={item} />
            ))}
            <section class="card" aria-labelledby="timeline">
              <h2 id="timeline">{t.entity.timeline}</h2>
              <ol class="timeline">
                {value.changes.map((change) => (
                  <ChangeStory key={change.id} entity_type={type} change={change} />
                ))}
              </ol>
              {value.history_since !== null && (
                <p class="soft small">{t.entity.incomplete(f.time(value.history_since, serverNow()))}</p>
              )}
            </section>
          </>
        )}
      </div>
    </>
  );
}

function Incoming({ item }: { item: IncomingItem }) {
  const { t, f } = useWords();
  const parked = item.status === 'parked';
  const again = item.next_attempt_at && t.queue.nextTry(f.time(item.next_attempt_at, serverNow()));
  return (
    <Notice tone={parked ? 'attention' : 'waiting'}>
      <strong>{parked ? t.entity.incoming : t.entity.incomingLater}:</strong>{' '}
      {[item.reason, again].filter(Boolean).join('; ')}
    </Notice>
  );
}

/** Where the row stands: what of the cloud's is still to come here counts too. */
function StandingBadge({ timeline: { status, incoming } }: { timeline: Timeline }) {
  const { t } = useWords();
  const parked = incoming.some((item) => item.status === 'parked');
  if (status !== 'synced' || incoming.length === 0)
    return <Badge tone={CHANGE_TONES[status]}>{t.queue.status[status] ?? status}</Badge>;
  return (
    <Badge tone={parked ? 'attention' : 'waiting'}>
      {parked ? t.entity.parked : (t.queue.status.pending ?? status)}
    </Badge>
  );
}

function Standing({ timeline, onDone }: { timeline: Timeline; onDone: () => void }) {
  const { t, f } = useWords();
  const mayAct = useMayAct();
  const direction = useStore(session, (now) =>
    now.kind === 'in'
      ? now.self.entities.find(({ entity_type }) => entity_type === timeline.entity_type)?.direction
      : undefined,
  );
  const path = `/entities/${encodeURIComponent(timeline.entity_type)}/${encodeURIComponent(timeline.entity_id)}`;
  const push = useAct(async () => {
    await post(`${path}/push`);
    onDone();
    return t.entity.pushed;
  });
  const pull = useAct(async () => {
    await post(`${path}/pull`);
    onDone();
    return t.entity.pulled;
  });
  const { version, cloud_version, cloud_id, last_synced_at, deleted } = timeline;
  return (
    <section class="card" aria-labelledby="standing">
      <div class="card-head">
        <h2 id="standing">{t.entity.versions}</h2>
        <StandingBadge timeline={timeline} />
      </div>
      <dl class="facts">
        <dt>{t.entity.version}</dt>
        <dd>{f.number(version)}</dd>
        <dt>{t.entity.cloudVersion}</dt>
        <dd>{f.number(cloud_version)}</dd>
        <dt>{t.entity.cloudId}</dt>
        <dd>{cloud_id ?? '–'}</dd>
        <dt>{t.entity.lastSynced}</dt>
        <dd>
          {last_synced_at === null ? t.health.never : f.instant(last_synced_at)}
          {deleted && `, ${t.entity.deleted}`}
        </dd>
      </dl>
      {mayAct && direction !== undefined && (
        <div class="row acts-below">
          {direction !== 'pull' && (
            <button type="button" class="button small" disabled={push.busy} onClick={() => void push.run()}>
              <Icon name="busy" />
              {t.entity.push}
            </button>
          )}
          {direction !== 'push' && (
            <button type="button" class="button small" disabled={pull.busy} onClick={() => void pull.run()}>
              <Icon name="retry" />
              {t.entity.pull}
            </button>
          )}
        </div>
      )}
    </section>
  );
}
