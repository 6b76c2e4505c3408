/** Something that the reader has to know now, and what a screen shows instead of what it cannot get. */
import type { ComponentChildren } from 'preact';
import type { Trouble } from '../api/client.js';
import { useWords } from '../i18n/words.js';
import type { Tone } from '../state/answer.js';
import { Icon, type IconName } from './icon.js';

type NoticeProps = { tone: Tone; icon?: IconName; role?: 'alert' | 'status'; children: ComponentChildren };

export function Notice({ tone, icon = tone, role, children }: NoticeProps) {
  return (
    <div class={`notice tone-${tone}`} role={role}>
      <Icon name={icon} />
      <div>{children}</div>
    </div>
  );
}

export function TroubleNotice({ trouble, again }: { trouble: Trouble; again?: () => void }) {
  const { t } = useWords();
  const words = troubleWords(trouble, t);
  return (
    <Notice tone="attention" role="alert">
      <p>
        <strong>{t.trouble.title}</strong> {words}
      </p>
      {trouble.hint && <p class="small">{trouble.hint}</p>}
      {again && (
        <p>
          <button type="button" class="button small plain" onClick={again}>
            <Icon name="retry" />
            {t.again}
          </button>
        </p>
      )}
    </Notice>
  );
}

export function troubleWords({ kind, detail }: Trouble, t: ReturnType<typeof useWords>['t']): string {
  if (kind === 'lost') return t.trouble.lost;
  if (kind === 'unavailable') return `${t.trouble.unavailable} ${detail}`;
  return detail;
}
