/** Every exchange with the cloud, the newest first; new ones appear by themselves on the first page. */
import { useEffect, useState } from 'preact/hooks';
import { get } from '../api/client.js';
import type { LogItem, Page } from '../api/types.js';
import { useWords } from '../i18n/words.js';
import { Badge } from '../parts/badge.js';
import { Listing, ScreenHead } from '../parts/listing.js';
import type { Tone } from '../state/answer.js';
import { followLog, live, serverNow } from '../state/live.js';
import { query, usePages } from '../state/load.js';
import { useStore } from '../state/store.js';

const SHOWN = 50;

export function LogScreen() {
  const { t, f } = useWords();
  const [follows, setFollows] = useState(true);
  const [fresh, setFresh] = useState<LogItem[]>([]);
  const turn = useStore(live, (now) => now.logTurn);
  const paged = usePages<LogItem>(
    (cursor, signal) => {
      if (cursor === '') setFresh([]);
      return get<Page<LogItem>>(`/logs${query({ cursor, limit: String(SHOWN) })}`, signal);
    },
    'log',
    turn,
  );
  useEffect(
    () => followLog(({ items }) => setFresh((known) => [...[...items].reverse(), ...known].slice(0, SHOWN))),
    [],
  );
  const onFirst = paged.number === 1;
  return (
    <>
      <ScreenHead title={t.log.title} lead={t.log.lead}>
        <label class="check end">
          <input type="checkbox" checked={follows} onChange={(event) => setFollows(event.currentTarget.checked)} />
          {t.log.live}
        </label>
      </ScreenHead>
      {!follows && onFirst && fresh.length > 0 && (
        <p class="newer">
          <button type="button" class="button small" onClick={() => setFollows(true)}>
            {t.log.newer(f.number(fresh.length))}
          </button>
        </p>
      )}
      <Listing paged={paged} empty={t.log.empty}>
        {(items) => <LogTable items={onFirst && follows ? merged(fresh, items) : items} />}
      </Listing>
    </>
  );
}

function merged(fresh: LogItem[], items: LogItem[]): LogItem[] {
  const known = new Set(items.map(({ id }) => id));
  return [...fresh.filter(({ id }) => !known.has(id)), ...items].slice(0, SHOWN);
}

const TONES: Record<string, Tone> = {
  results: 'ok',
  received: 'ok',
  applied: 'ok',
  offline: 'waiting',
  wait: 'waiting',
};

function LogTable({ items }: { items: LogItem[] }) {
  const { t, f } = useWords();
  return (
    <table class="list">
      <caption class="sr">{t.log.caption}</caption>
      <thead>
        <tr>
          <th scope="col">{t.log.when}</th>
          <th scope="col">{t.log.what}</th>
          <th scope="col">{t.log.outcome}</th>
          <th scope="col" class="number">
            {t.log.size}
          </th>
          <th scope="col" class="number">
            {t.log.took}
          </th>
        </tr>
      </thead>
      <tbody>
        {items.map((item) => (
          <tr key={item.id}>
            <th scope="row">
              <time dateTime={item.at} title={f.instant(item.at)} class="nowrap name">
                {isToday(item.at) ? f.timeWithSeconds(item.at) : f.time(item.at, serverNow())}
              </time>
            </th>
            <td data-label={t.log.what}>
              <span>
                {t.log.direction[item.direction] ?? item.direction} · {t.log.changes(f.number(item.changes))}
              </span>
            </td>
            <td data-label={t.log.outcome}>
              <div>
                <Badge tone={TONES[item.outcome] ?? 'attention'}>{t.log.outcomes[item.outcome] ?? item.outcome}</Badge>
                {item.error !== null && <div class="said small">{item.error}</div>}
              </div>
            </td>
            <td class="number" data-label={t.log.size}>
              <span class="nowrap">{f.bytes(item.bytes)}</span>
            </td>
            <td class="number" data-label={t.log.took}>
              <span class="nowrap">{f.duration(item.duration_ms)}</span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function isToday(at: string): boolean {
  return Math.abs(serverNow() - Date.parse(at)) < 12 * 3_600_000;
}
