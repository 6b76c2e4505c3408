/** Short words on what an action did; read out, and gone after a while. */
import { useWords } from '../i18n/words.js';
import { Store, useStore } from '../state/store.js';
import { later } from '../state/timers.js';
import { Icon } from './icon.js';

type Toast = { id: number; text: string };

const toasts = new Store<Toast[]>([]);
const SHOWN_MS = 8_000;
let last = 0;

export function say(text: string): void {
  const id = ++last;
  toasts.set([...toasts.value.slice(-2), { id, text }]);
  later(SHOWN_MS, () => drop(id));
}

function drop(id: number): void {
  toasts.set(toasts.value.filter((toast) => toast.id !== id));
}

export function Toasts() {
  const { t } = useWords();
  const shown = useStore(toasts);
  return (
    <div class="toasts" role="status">
      {shown.map(({ id, text }) => (
        <div class="toast" key={id}>
          <span>{text}</span>
          <button type="button" class="button plain small icon-only" aria-label={t.close} onClick={() => drop(id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
