/** The reader's own settings: language, colours, leaving. Closes with Escape, and when something else is pressed. */
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { useWords } from '../i18n/words.js';
import { chooseLanguage, chooseTheme, preferences } from '../state/preferences.js';
import { session, signOut } from '../state/session.js';
import { useStore } from '../state/store.js';
import { Icon } from './icon.js';

export function Menu() {
  const { t } = useWords();
  const [open, setOpen] = useState(false);
  const menu = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const { language, theme } = useStore(preferences);
  const isIn = useStore(session, (now) => now.kind === 'in');
  const panelId = useId();
  useEffect(() => {
    if (!open) return;
    const leave = (event: Event) => {
      if (!menu.current?.contains(event.target as Node)) setOpen(false);
    };
    const leaveByKey = (event: KeyboardEvent) => {
      if (event.key !== 'Escape') return;
      setOpen(false);
      button.current?.focus();
    };
    document.addEventListener('pointerdown', leave);
    document.addEventListener('focusin', leave);
    document.addEventListener('keydown', leaveByKey);
    return () => {
      document.removeEventListener('pointerdown', leave);
      document.removeEventListener('focusin', leave);
      document.removeEventListener('keydown', leaveByKey);
    };
  }, [open]);
  return (
    <div class="menu" ref={menu}>
      <button
        type="button"
        ref={button}
        class="button plain icon-only"
        aria-label={t.settings}
        aria-expanded={open}
        aria-controls={panelId}
        onClick={() => setOpen(!open)}
      >
        <Icon name="settings" />
      </button>
      {open && (
        <div class="card menu-panel" id={panelId}>
          <Choice
            label={t.language}
            options={{ id: t.languages.id, en: t.languages.en }}
            chosen={language}
            onChoose={chooseLanguage}
          />
          <Choice
            label={t.theme.label}
            options={{ auto: t.theme.auto, light: t.theme.light, dark: t.theme.dark }}
            chosen={theme}
            onChoose={chooseTheme}
          />
          {isIn && (
            <button type="button" class="button" onClick={signOut}>
              <Icon name="out" />
              {t.signOut}
            </button>
          )}
        </div>
      )}
    </div>
  );
}

type ChoiceProps<K extends string> = {
  label: string;
  options: Record<K, string>;
  chosen: K;
  onChoose: (key: K) => void;
};

function Choice<K extends string>({ label, options, chosen, onChoose }: ChoiceProps<K>) {
  const name = useId();
  return (
    <fieldset class="choice">
      <legend class="label">{label}</legend>
      {(Object.entries(options) as [K, string][]).map(([key, words]) => (
        <label class="check" key={key} lang={key === 'id' || key === 'en' ? key : undefined}>
          <input type="radio" name={name} checked={key === chosen} onChange={() => onChoose(key)} />
          {words}
        </label>
      ))}
    </fieldset>
  );
}
