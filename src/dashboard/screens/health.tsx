/** How the outlet does: what the doctor finds and what to type, the tables of the till, the outlet itself. */
import { get } from '../api/client.js';
import type { CapturedTable, DoctorFinding } from '../api/types.js';
import { useWords } from '../i18n/words.js';
import { Badge } from '../parts/badge.js';
import { Icon } from '../parts/icon.js';
import { ScreenHead } from '../parts/listing.js';
import { TroubleNotice } from '../parts/notice.js';
import { OutletFacts } from '../parts/outlet-facts.js';
import { Reasons } from '../parts/reasons.js';
import type { Tone } from '../state/answer.js';
import { live, serverNow } from '../state/live.js';
import { useLoad } from '../state/load.js';
import { useStore } from '../state/store.js';

export function Health() {
  const { t } = useWords();
  return (
    <>
      <ScreenHead title={t.health.title} />
      <div class="stack">
        <OutletFacts />
        <Reasons />
        <Tables />
        <Checks />
      </div>
    </>
  );
}

const TONES: Record<DoctorFinding['state'], Tone> = {
  ok: 'ok',
  warn: 'waiting',
  fail: 'attention',
  skipped: 'unknown',
};

/** What needs a person stands first. */
const ORDER: DoctorFinding['state'][] = ['fail', 'warn', 'skipped', 'ok'];

function Checks() {
  const { t } = useWords();
  const { value, trouble, again } = useLoad(
    (signal) => get<{ findings: DoctorFinding[] }>('/doctor', signal),
    'doctor',
  );
  const found = [...(value?.findings ?? [])].sort(
    (one, other) => ORDER.indexOf(one.state) - ORDER.indexOf(other.state),
  );
  return (
    <section class="card" aria-labelledby="checks">
      <div class="card-head">
        <h2 id="checks">{t.health.checks}</h2>
        <button type="button" class="button small" disabled={!value && !trouble} onClick={again}>
          <Icon name="retry" />
          {!value && !trouble ? t.health.running : t.health.run}
        </button>
      </div>
      {trouble && <TroubleNotice trouble={trouble} />}
      <ul class="checks" aria-busy={!value && !trouble}>
        {found.map((one) => (
          <li key={one.name + one.finding}>
            <Badge tone={TONES[one.state]}>{t.health.state[one.state] ?? one.state}</Badge>
            <div class="text">
              <h3>{t.checks[one.name]?.title ?? one.name}</h3>
              {t.checks[one.name] && <p class="about">{t.checks[one.name]?.about}</p>}
              <p class="quote" lang="en">
                {one.finding}
              </p>
              {one.why !== null && (
                <p class="soft small" lang="en">
                  {one.why}
                </p>
              )}
              {one.what_to_type !== null && (
                <p class="type">
                  <span class="sr">{t.health.type}: </span>
                  <code>{one.what_to_type}</code>
                </p>
              )}
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Tables() {
  const { t, f } = useWords();
  const turn = useStore(
    live,
    (now) => (now.status?.capture.healthy ?? 0) * 1_000 + (now.status?.capture.failures ?? 0),
  );
  const { value, trouble, again } = useLoad(
    (signal) => get<{ items: CapturedTable[] }>('/capture', signal),
    'capture',
    turn,
  );
  return (
    <section class="card" aria-labelledby="tables">
      <h2 id="tables">{t.health.capture}</h2>
      {trouble && !value && <TroubleNotice trouble={trouble} again={again} />}
      <table class="list">
        <caption class="sr">{t.health.captureCaption}</caption>
        <thead>
          <tr>
            <th scope="col">{t.health.table}</th>
            <th scope="col">{t.health.recording}</th>
            <th scope="col" class="number">
              {t.health.failures}
            </th>
          </tr>
        </thead>
        <tbody>
          {value?.items.map((table) => (
            <tr key={table.entity_type}>
              <th scope="row">
                <span class="name">{table.entity_type}</span>{' '}
                <span class="soft">
                  {table.table_name} · {t.health.direction[table.direction]}
                </span>
              </th>
              <td data-label={t.health.recording}>
                <div>
                  <Recording table={table} />
                  {table.drift !== null && (
                    <div class="said small" lang="en">
                      {table.drift}
                      {table.drift_hint !== null && <code class="type">{table.drift_hint}</code>}
                    </div>
                  )}
                  {table.suspended_at !== null && (
                    <div class="said small">
                      {f.time(table.suspended_at, serverNow())} · {table.suspended_by}
                      {table.suspended_reason !== null && ` · ${table.suspended_reason}`}
                    </div>
                  )}
                </div>
              </td>
              <td class="number" data-label={t.health.failures}>
                {f.number(table.failures)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Recording({ table }: { table: CapturedTable }) {
  const { t } = useWords();
  if (table.suspended_at !== null) return <Badge tone="waiting">{t.health.suspended}</Badge>;
  if (table.direction === 'pull') return <Badge tone="ok">{t.health.receiving}</Badge>;
  if (!table.healthy) return <Badge tone="attention">{t.health.notRecording}</Badge>;
  return <Badge tone={table.drift === null && table.failures === 0 ? 'ok' : 'waiting'}>{t.health.healthy}</Badge>;
}
