/** Does what a button says: once at a time, and tells what came of it. */
import { useState } from 'preact/hooks';
import { troubleOf } from '../api/client.js';
import { useWords } from '../i18n/words.js';
import { session } from '../state/session.js';
import { useStore } from '../state/store.js';
import { troubleWords } from './notice.js';
import { say } from './toasts.js';

/** @param act resolves with the words to tell; undefined: none */
export function useAct<A extends unknown[]>(
  act: (...given: A) => Promise<string | undefined>,
): { busy: boolean; run: (...given: A) => Promise<boolean> } {
  const { t } = useWords();
  const [busy, setBusy] = useState(false);
  const run = async (...given: A) => {
    if (busy) return false;
    setBusy(true);
    try {
      const words = await act(...given);
      if (words !== undefined) say(words);
      return true;
    } catch (error) {
      const trouble = troubleOf(error);
      say(t.actions.failed([troubleWords(trouble, t), trouble.hint].filter(Boolean).join(' – ')));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { busy, run };
}

/** Whether the reader's token may change anything. */
export function useMayAct(): boolean {
  return useStore(session, (now) => now.kind === 'in' && now.self.role === 'admin');
}
