/** A question before something is done: the browser's own dialog, which keeps the focus and gives it back. */
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { useWords } from '../i18n/words.js';

type DialogProps = {
  title: string;
  /** What the button that does it says. */
  does: string;
  /** Asks for a reason; `wanted` where there has to be one. */
  reason?: 'asked' | 'wanted';
  busy?: boolean;
  onClose: () => void;
  onDo: (reason: string | undefined) => void;
  children: ComponentChildren;
};

export function Dialog({ title, does, reason, busy = false, onClose, onDo, children }: DialogProps) {
  const { t } = useWords();
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState('');
  const [titleId, reasonId] = [useId(), useId()];
  useEffect(() => dialog.current?.showModal(), []);
  const submit = (event: Event) => {
    event.preventDefault();
    onDo(text.trim() === '' ? undefined : text.trim());
  };
  return (
    <dialog ref={dialog} aria-labelledby={titleId} onClose={onClose}>
      <form class="stack" onSubmit={submit}>
        <h2 id={titleId}>{title}</h2>
        <div class="soft">{children}</div>
        {reason && (
          <div class="field">
            <label for={reasonId}>{t.actions.reason}</label>
            <input
              id={reasonId}
              class="input"
              maxLength={1000}
              required={reason === 'wanted'}
              value={text}
              onInput={(event) => setText(event.currentTarget.value)}
            />
          </div>
        )}
        <div class="ends">
          <button type="button" class="button" onClick={() => dialog.current?.close()}>
            {t.cancel}
          </button>
          <button type="submit" class="button main" disabled={busy}>
            {does}
          </button>
        </div>
      </form>
    </dialog>
  );
}
