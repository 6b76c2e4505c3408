/** One change of a record: when, what was sent with what it replaced, and what was answered each time. */
import type { PastChange } from '../api/types.js';
import { useWords } from '../i18n/words.js';
import type { Tone } from '../state/answer.js';
import { serverNow } from '../state/live.js';
import { Badge } from './badge.js';
import { CHANGE_TONES } from './queue-table.js';
import { useMoneyField, Value } from './value.js';

const VERDICT_TONES: Record<string, Tone> = {
  accepted: 'ok',
  duplicate: 'ok',
  held: 'waiting',
  offline: 'waiting',
  wait: 'waiting',
  unanswered: 'waiting',
};

export function ChangeStory({ entity_type, change }: { entity_type: string; change: PastChange }) {
  const { t, f } = useWords();
  const money = useMoneyField(entity_type);
  const { operation, created_at, status, settled_as, answers, error_message, data, previous } = change;
  return (
    <li>
      <div class="row">
        <time class="name" dateTime={created_at}>
          {f.instant(created_at)}
        </time>
        <span class="soft">{t.queue.operation[operation] ?? operation}</span>
        <Badge tone={settled_as === 'discarded' ? 'unknown' : CHANGE_TONES[status]}>
          {settled_as === null ? (t.queue.status[status] ?? status) : (t.entity.settledAs[settled_as] ?? settled_as)}
        </Badge>
      </div>
      {error_message !== null && <p class="said">{error_message}</p>}
      {data !== null && (
        <details>
          <summary>{t.entity.sent}</summary>
          <dl class="facts small">
            {Object.entries(data).map(([name, value]) => (
              <div class="pair" key={name}>
                <dt>{name}</dt>
                <dd>
                  <Value value={value} money={name === money} />
                  {previous !== null && Object.hasOwn(previous, name) && (
                    <span class="soft">
                      {' '}
                      ({t.entity.was} <Value value={previous[name]} money={name === money} />)
                    </span>
                  )}
                </dd>
              </div>
            ))}
          </dl>
        </details>
      )}
      {answers.length > 0 ? (
        <ul class="answers" aria-label={t.entity.answered}>
          {answers.map(({ log_id, at, verdict, error, http_status }) => (
            <li key={log_id}>
              <time class="soft nowrap" dateTime={at}>
                {f.time(at, serverNow())}
              </time>
              <Badge tone={VERDICT_TONES[verdict] ?? 'attention'}>
                {t.entity.verdict[verdict] ?? t.log.outcomes[verdict] ?? verdict}
              </Badge>
              <span class="said small">
                {[http_status === null ? '' : `HTTP ${http_status}`, error].filter(Boolean).join(' · ')}
              </span>
            </li>
          ))}
        </ul>
      ) : (
        settled_as === null && <p class="soft small">{t.entity.noAnswer}</p>
      )}
    </li>
  );
}
