/** The outages of the week: when, how long, what waited, how fast it was caught up. */
import type { Outage } from '../api/types.js';
import { useWords } from '../i18n/words.js';
import { serverNow } from '../state/live.js';
import { Badge } from './badge.js';
import { Empty } from './listing.js';

const SHORTEST_MS = 1_000;

export function Outages({ outages }: { outages: Outage[] | undefined }) {
  const { t, f } = useWords();
  return (
    <section class="card" aria-labelledby="outages">
      <h2 id="outages">{t.outages.title}</h2>
      {outages?.length === 0 && <Empty words={t.outages.none} />}
      {outages !== undefined && outages.length > 0 && (
        <table class="list">
          <caption class="sr">{t.outages.title}</caption>
          <thead>
            <tr>
              <th scope="col">{t.outages.began}</th>
              <th scope="col">{t.outages.lasted}</th>
              <th scope="col">{t.outages.waited}</th>
              <th scope="col">{t.outages.drained}</th>
              <th scope="col">{t.outages.reason}</th>
            </tr>
          </thead>
          <tbody>
            {outages.map((outage) => (
              <tr key={outage.id}>
                <th scope="row">
                  <time class="name nowrap" dateTime={outage.began_at} title={f.instant(outage.began_at)}>
                    {f.time(outage.began_at, serverNow())}
                  </time>
                </th>
                <td data-label={t.outages.lasted}>
                  {outage.ended_at === null ? (
                    <Badge tone="waiting">{t.outages.still}</Badge>
                  ) : (
                    f.span(outage.duration_ms)
                  )}
                  {outage.interruptions > 1 && (
                    <span class="small"> {t.outages.interruptions(f.number(outage.interruptions))}</span>
                  )}
                </td>
                <td data-label={t.outages.waited}>
                  {outage.waited === 0 ? t.outages.nothing : f.number(outage.waited)}
                </td>
                <td data-label={t.outages.drained}>{drained(outage)}</td>
                <td data-label={t.outages.reason}>
                  <span class="said small">{outage.reason}</span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );

  function drained({ ended_at, drain_ms, waited }: Outage): string {
    if (ended_at === null || waited === 0) return '–';
    // Less than a second is no time at all in words.
    return drain_ms === null ? t.outages.notYet : f.span(Math.max(SHORTEST_MS, drain_ms));
  }
}
