/** The first screen: the answer, what needs attention, the day in figures, the traffic and the outages. */
import { AnswerCard } from '../parts/answer-card.js';
import { Figures } from '../parts/figures.js';
import { Reasons } from '../parts/reasons.js';

export function Home() {
  return (
    <div class="stack">
      <AnswerCard />
      <Reasons />
      <Figures />
    </div>
  );
}
