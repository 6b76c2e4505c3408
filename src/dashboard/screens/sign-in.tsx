/** Asks for the token, and says plainly why one is not taken. */
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import type { Trouble } from '../api/client.js';
import { useWords } from '../i18n/words.js';
import { Notice } from '../parts/notice.js';
import { type Session, signIn } from '../state/session.js';

export function SignIn({ session }: { session: Exclude<Session, { kind: 'in' }> }) {
  const { t } = useWords();
  const [token, setToken] = useState('');
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const entering = session.kind === 'entering' && session.trouble === undefined;
  const { trouble } = session;
  useEffect(() => {
    if (trouble) input.current?.select();
    input.current?.focus();
  }, [trouble]);
  const submit = (event: Event) => {
    event.preventDefault();
    if (token.trim() !== '' && !entering) void signIn(token.trim());
  };
  return (
    <main id="content" class="sign-in">
      <form class="card" onSubmit={submit}>
        <h1>{t.signIn.title}</h1>
        <p class="soft">{t.signIn.lead}</p>
        <input type="text" name="username" autocomplete="username" value={location.host} readOnly hidden />
        <div class="field">
          <label for={id}>{t.signIn.token}</label>
          <input
            id={id}
            ref={input}
            class="input mono"
            type="password"
            autocomplete="current-password"
            autocapitalize="none"
            spellcheck={false}
            required
            aria-invalid={trouble !== undefined}
            aria-describedby={`${id}-said`}
            value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </div>
        <div id={`${id}-said`}>
          {trouble && (
            <Notice tone="attention" role="alert">
              <TroubleWords {...trouble} />
            </Notice>
          )}
        </div>
        <button type="submit" class="button main" disabled={entering}>
          {entering ? t.signIn.entering : t.signIn.enter}
        </button>
        <p class="soft small">{t.signIn.where}</p>
      </form>
    </main>
  );
}

function TroubleWords({ kind, detail, retryAfterS }: Trouble) {
  const { t, f } = useWords();
  switch (kind) {
    case 'wrong-token':
    case 'no-token':
      return <>{t.signIn.wrong}</>;
    case 'too-many-tries':
      return <>{t.signIn.locked(f.span((retryAfterS ?? 60) * 1_000))}</>;
    case 'lost':
      return <>{t.signIn.lost}</>;
    default:
      return <>{detail}</>;
  }
}
