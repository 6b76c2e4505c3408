/** The first screen: the answer, what needs attention, the day in figures, the traffic and the outages. */
import { get } from '../api/client.js';
import type { Outage } from '../api/types.js';
import { AnswerCard } from '../parts/answer-card.js';
import { Charts } from '../parts/charts.js';
import { Figures } from '../parts/figures.js';
import { Outages } from '../parts/outages.js';
import { Reasons } from '../parts/reasons.js';
import { answerTo } from '../state/answer.js';
import { live, serverNow } from '../state/live.js';
import { useLoad } from '../state/load.js';
import { useStore } from '../state/store.js';
import { useNow } from '../state/timers.js';

const NO_OUTAGES: Outage[] = [];

export function Home() {
  const online = useStore(live, (now) => now.status?.cloud.online ?? null);
  const minute = Math.floor(useNow(30_000) / 60_000);
  const turn = minute * 3 + (online === null ? 0 : online ? 1 : 2);
  const { value } = useLoad((signal) => get<{ items: Outage[] }>('/outages?span=7d', signal), 'outages', turn);
  const status = useStore(live, (now) => now.status);
  // All of it at once: what is drawn does not move when the rest comes.
  if (!status) return <AnswerCard />;
  return (
    <div class="stack">
      <AnswerCard />
      <Reasons told={answerTo(status, serverNow()).cause} />
      <Figures />
      <Charts outages={value?.items ?? NO_OUTAGES} />
      <Outages outages={value?.items} />
    </div>
  );
}
