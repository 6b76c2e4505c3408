/** What is wrong, the worst first, each with the daemon's own words and the way to where it can be mended. */
import type { Finding } from '../api/types.js';
import { useWords } from '../i18n/words.js';
import { live } from '../state/live.js';
import { hashOf, type Place } from '../state/route.js';
import { useStore } from '../state/store.js';
import { Badge } from './badge.js';

/** Where something can be done about it. */
const PLACES: Partial<Record<Finding['topic'], Place>> = {
  failed: { screen: 'queue', status: 'failed' },
  conflicts: { screen: 'conflicts', status: 'open' },
  backlog: { screen: 'queue', status: 'waiting' },
};

/** Topics of which the page's own words say all that there is to say. */
const WHOLE: Finding['topic'][] = ['daemon', 'failed', 'conflicts', 'backlog'];

/** @param told what the answer above has told already */
export function Reasons({ told }: { told?: string | undefined }) {
  const { t } = useWords();
  const all = useStore(live, (now) => now.status?.findings);
  const findings = all?.filter(({ topic }) => topic !== told) ?? [];
  if (findings.length === 0) return null;
  return (
    <section class="card" aria-labelledby="reasons">
      <h2 id="reasons">{t.reasons.title}</h2>
      <ul class="reasons">
        {findings.map(({ topic, state, reason }) => (
          <li key={topic + reason}>
            <div>
              <Badge tone={state === 'critical' ? 'attention' : 'waiting'} icon="attention">
                {t.reasons.state[state]}
              </Badge>
            </div>
            <div class="text">
              <p>{t.reasons.words[topic]}</p>
              {!WHOLE.includes(topic) && (
                <p class="quote" lang="en">
                  {reason}
                </p>
              )}
            </div>
            <a class="button small" href={hashOf(PLACES[topic] ?? { screen: 'health' })}>
              {t.reasons.see}
              <span class="sr">: {t.reasons.words[topic]}</span>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}
