/** The outlet itself: whose it is, which program runs since when, and how it stands with the cloud, the database and the clock. */
import type { StatusReport } from '../api/types.js';
import { useWords } from '../i18n/words.js';
import { live, serverNow } from '../state/live.js';
import { session } from '../state/session.js';
import { useStore } from '../state/store.js';
import { Badge } from './badge.js';

/** The offset is known no better than this. */
const EXACT_MS = 1_000;
const FAR_MS = 60_000;

export function OutletFacts() {
  const { t, f } = useWords();
  const status = useStore(live, (now) => now.status);
  const self = useStore(session, (now) => (now.kind === 'in' ? now.self : undefined));
  const time = (at: string | null | undefined) => (at ? f.time(at, serverNow()) : t.health.never);
  const known = status !== undefined && status.state !== 'unknown';
  return (
    <section class="card" aria-labelledby="outlet">
      <h2 id="outlet">{t.health.system}</h2>
      <dl class="facts outlet-facts">
        <dt>{t.health.outlet}</dt>
        <dd>
          {self?.outlet.code ?? self?.outlet.id} <span class="soft">{self?.outlet.timezone}</span>
        </dd>
        <dt>{t.health.version}</dt>
        <dd>{self?.version}</dd>
        <dt>{t.health.since}</dt>
        <dd>{status?.daemon.since ? f.instant(status.daemon.since) : '–'}</dd>
        <dt>{t.health.cloud}</dt>
        <dd>
          <CloudBadge online={status?.cloud.online ?? null} />
        </dd>
        <dt>{t.health.database}</dt>
        <dd>
          <Badge tone={known ? 'ok' : 'attention'}>{known ? t.health.answers : t.health.silent}</Badge>
        </dd>
        <dt>{t.health.clock}</dt>
        <dd>
          <ClockBadge offsetMs={status?.clock_offset_ms ?? null} />
        </dd>
        {status?.disk && (
          <>
            <dt>{t.health.disk}</dt>
            <dd>
              <DiskBadge disk={status.disk} />
            </dd>
          </>
        )}
        <dt>{t.health.lastSent}</dt>
        <dd>{time(status?.last_successful_sync_at)}</dd>
        <dt>{t.health.lastFetched}</dt>
        <dd>{time(status?.last_pull_at)}</dd>
      </dl>
    </section>
  );
}

function DiskBadge({ disk }: { disk: NonNullable<StatusReport['disk']> }) {
  const { t, f } = useWords();
  const { free_bytes, days_left, problem } = disk;
  const free = free_bytes === null ? (problem ?? '–') : t.health.diskFree(f.bytes(free_bytes));
  return (
    <>
      <Badge tone={problem === null ? 'ok' : 'attention'}>{free}</Badge>
      {days_left !== null && <span class="soft small"> {t.health.diskDays(f.number(Math.floor(days_left)))}</span>}
    </>
  );
}

function CloudBadge({ online }: { online: boolean | null }) {
  const { t } = useWords();
  if (online === null) return <Badge tone="unknown">{t.answer.tone.unknown}</Badge>;
  return online ? (
    <Badge tone="ok">{t.health.online}</Badge>
  ) : (
    <Badge tone="waiting" icon="lost">
      {t.health.offline}
    </Badge>
  );
}

/** @param offsetMs the cloud's clock less ours */
function ClockBadge({ offsetMs }: { offsetMs: number | null }) {
  const { t, f } = useWords();
  if (offsetMs === null) return <Badge tone="unknown">{t.health.clockUnknown}</Badge>;
  const off = Math.abs(offsetMs);
  if (off <= EXACT_MS) return <Badge tone="ok">{t.health.clockExact}</Badge>;
  const words = offsetMs < 0 ? t.health.clockAhead(f.span(off)) : t.health.clockBehind(f.span(off));
  return <Badge tone={off > FAR_MS ? 'attention' : 'waiting'}>{words}</Badge>;
}
