/** What is wrong, the worst first, each with what the daemon's own words add and the way to where it can be mended. */
import type { Finding } from '../api/types.js';
import { useWords } from '../i18n/words.js';
import { additionTo } from '../state/addition.js';
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

/** @param told what the answer above has told already */
export function Reasons({ told }: { told?: string | undefined }) {
  const { t } = useWords();
  const status = useStore(live, (now) => now.status);
  const findings = status?.findings.filter(({ topic }) => topic !== told) ?? [];
  if (!status || findings.length === 0) return null;
  return (
    <section class="card" aria-labelledby="reasons">
      <h2 id="reasons">{t.reasons.title}</h2>
      <ul class="reasons">
        {findings.map((finding) => (
          <li key={finding.topic + finding.reason}>
            <div>
              <Badge tone={finding.state === 'critical' ? 'attention' : 'waiting'} icon="attention">
                {t.reasons.state[finding.state]}
              </Badge>
            </div>
            <div class="text">
              <p>{t.reasons.words[finding.topic]}</p>
              <Addition text={additionTo(finding, status)} />
            </div>
            <a class="button small" href={hashOf(PLACES[finding.topic] ?? { screen: 'health' })}>
              {t.reasons.see}
              <span class="sr">: {t.reasons.words[finding.topic]}</span>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Addition({ text }: { text: string | undefined }) {
  if (text === undefined) return null;
  return (
    <p class="quote" lang="en">
      {text}
    </p>
  );
}
