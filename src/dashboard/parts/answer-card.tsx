/** The answer to the owner's question, in one sentence, with what can be done about it at once. */
import { useState } from 'preact/hooks';
import { post } from '../api/client.js';
import type { StatusReport } from '../api/types.js';
import { useWords } from '../i18n/words.js';
import { type Answer, answerTo } from '../state/answer.js';
import { type Live, live, serverNow } from '../state/live.js';
import { useStore } from '../state/store.js';
import { useNow } from '../state/timers.js';
import { useAct, useMayAct } from './act.js';
import { Dialog } from './dialog.js';
import { Icon } from './icon.js';

export function AnswerCard() {
  const { t } = useWords();
  useNow();
  const told = useStore(live);
  const mayAct = useMayAct();
  if (!told.status) {
    return (
      <section class="answer tone-unknown" aria-label={t.answer.label} aria-busy="true">
        <p class="answer-sign">
          <Icon name={told.link === 'lost' ? 'lost' : 'waiting'} />
          {told.link === 'lost' ? t.answer.tone.unknown : t.loading}
        </p>
        <h1 tabIndex={-1}>{told.link === 'lost' ? t.answer.unknown : t.answer.label}</h1>
      </section>
    );
  }
  const answer = answerTo(told.status, serverNow());
  const stale = told.link === 'lost';
  const tone = stale ? 'unknown' : answer.tone;
  return (
    <section class={`answer tone-${tone}`} aria-label={t.answer.label}>
      <p class="answer-sign">
        <Icon name={stale ? 'lost' : tone} />
        {t.answer.tone[tone]}
      </p>
      <div class="answer-text">
        <Headline answer={answer} told={told} />
        {!stale && <Explanation answer={answer} status={told.status} />}
      </div>
      {mayAct && !stale && <Actions answer={answer} status={told.status} />}
    </section>
  );
}

function Headline({ answer, told }: { answer: Answer; told: Live }) {
  const { t, f } = useWords();
  const words = useHeadline(answer);
  if (told.link !== 'lost') {
    return (
      <div aria-live="polite" aria-atomic="true">
        <h1 tabIndex={-1}>{words}</h1>
      </div>
    );
  }
  return (
    <div aria-live="polite" aria-atomic="true">
      <h1 tabIndex={-1}>{t.answer.unknown}</h1>
      <p>
        {t.link.lastKnown(f.time(told.toldAt, Date.now()))} {words}.
      </p>
    </div>
  );
}

function useHeadline({ headline }: Answer): string {
  const { t, f } = useWords();
  switch (headline.kind) {
    case 'unknown':
      return t.answer.unknown;
    case 'safe':
      return t.answer.safe;
    case 'safe since':
      return t.answer.safeSince;
    case 'looking':
      return t.answer.looking;
    case 'lost':
      return t.answer.lostThere(f.number(headline.rows));
    case 'safe, but':
      return t.answer.safeBut;
    case 'waiting': {
      const since = headline.since && f.time(headline.since, serverNow());
      return t.answer.waiting(f.number(headline.pending), since, headline.cause);
    }
    case 'trouble': {
      const [failed, conflicts] = [headline.failed, headline.conflicts].map((n) => (n > 0 ? f.number(n) : undefined));
      return t.answer.trouble(failed, conflicts);
    }
    default:
      return headline satisfies never;
  }
}

function Explanation({ answer, status }: { answer: Answer; status: StatusReport }) {
  const { t, f } = useWords();
  const { headline, beside, cause, detail, next } = answer;
  const waits = headline.kind === 'waiting';
  const idle = headline.kind.startsWith('safe') ? t.answer.idle[cause as keyof typeof t.answer.idle] : undefined;
  const besides = waits && beside.failed + beside.conflicts > 0;
  const last = status.last_successful_sync_at;
  return (
    <>
      {besides && (
        <p>
          {t.answer.trouble(
            beside.failed > 0 ? f.number(beside.failed) : undefined,
            beside.conflicts > 0 ? f.number(beside.conflicts) : undefined,
          )}
          .
        </p>
      )}
      {headline.kind === 'trouble' && headline.pending > 0 && (
        <p>{t.answer.waiting(f.number(headline.pending), undefined, cause)}.</p>
      )}
      {idle && <p>{idle}</p>}
      {waits && cause !== 'none' && <p>{t.answer.kept}</p>}
      {(waits || idle) && next.kind !== 'none' && (
        <p>
          {next.kind === 'retry'
            ? t.answer.next.retry(f.span(Date.parse(next.at) - serverNow()))
            : t.answer.next[next.kind]}
        </p>
      )}
      {headline.kind !== 'unknown' && (
        <p class="soft">{last ? t.answer.lastSent(f.time(last, serverNow())) : t.answer.neverSent}</p>
      )}
      {!!status.older_rows?.length && (
        <p class="soft">
          {t.answer.olderRows(status.older_rows.join(', '))} <code>syncd backfill</code>
        </p>
      )}
      {detail && (
        <p class="quote">
          {cause === 'paused' ? t.answer.pausedBy : t.answer.said}: {detail}
        </p>
      )}
    </>
  );
}

function Actions({ answer, status }: { answer: Answer; status: StatusReport }) {
  const { t } = useWords();
  const [asking, setAsking] = useState(false);
  const tryNow = useAct(async () => {
    await post('/trigger');
    return t.actions.nowDone;
  });
  const toggle = useAct(async (to: 'pause' | 'resume', reason?: string) => {
    await post(`/${to}`, reason === undefined ? {} : { reason });
    return to === 'pause' ? t.actions.paused : t.actions.resumed;
  });
  if (status.state === 'unknown') return null;
  return (
    <div class="row">
      {answer.canTryNow && (
        <button type="button" class="button main" disabled={tryNow.busy} onClick={() => void tryNow.run()}>
          <Icon name="retry" />
          {t.actions.now}
        </button>
      )}
      {status.enabled === false && !status.switched_off && (
        <button type="button" class="button main" disabled={toggle.busy} onClick={() => void toggle.run('resume')}>
          <Icon name="resume" />
          {t.actions.resume}
        </button>
      )}
      {status.enabled !== false && (
        <button type="button" class="button" onClick={() => setAsking(true)}>
          <Icon name="pause" />
          {t.actions.pause}
        </button>
      )}
      {asking && (
        <Dialog
          title={t.actions.pauseTitle}
          does={t.actions.pause}
          reason="asked"
          busy={toggle.busy}
          onClose={() => setAsking(false)}
          onDo={async (reason) => {
            if (await toggle.run('pause', reason)) setAsking(false);
          }}
        >
          {t.actions.pauseText}
        </Dialog>
      )}
    </div>
  );
}
