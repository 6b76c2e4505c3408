/** The first screen: the answer, what needs attention, the day in figures, the traffic and the outages. */
import { get } from '../api/client.js';
import type { Outage } from '../api/types.js';
import { AnswerCard } from '../parts/answer-card.js';
import { Charts } from '../parts/charts.js';
import { Figures } from '../parts/figures.js';
import { Outages } from '../parts/outages.js';
import { Reasons } from '../parts/reasons.js';
import { live } from '../state/live.js';
import { useLoad } from '../state/load.js';
import { useStore } from '../state/store.js';
import { useNow } from '../state/timers.js';

const NO_OUTAGES: Outage[] = [];

export function Home() {
  const online = useStore(live, (now) => now.status?.cloud.online ?? null);
  const minute = Math.floor(useNow(30_000) / 60_000);
  const turn = minute * 3 + (online === null ? 0 : online ? 1 : 2);
  const { value } = useLoad((signal) => get<{ items: Outage[] }>('/outages?span=7d', signal), 'outages', turn);
  return (
    <div class="stack">
      <AnswerCard />
      <Reasons />
      <Figures />
      <Charts outages={value?.items ?? NO_OUTAGES} />
      <Outages outages={value?.items} />
    </div>
  );
}
