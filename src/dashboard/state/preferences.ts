/** What the reader chose for the page itself: language and colours. Kept in this browser; nothing secret. */
import { Store } from './store.js';

export type Language = 'id' | 'en';
export type Theme = 'auto' | 'light' | 'dark';

const root = document.documentElement;

export const preferences = new Store<{ language: Language; theme: Theme }>({
  language: root.lang === 'id' ? 'id' : 'en',
  theme: (root.dataset.theme as Theme | undefined) ?? 'auto',
});

export function chooseLanguage(language: Language): void {
  root.lang = language;
  keep('syncd.language', language);
  preferences.patch({ language });
}

export function chooseTheme(theme: Theme): void {
  if (theme === 'auto') delete root.dataset.theme;
  else root.dataset.theme = theme;
  keep('syncd.theme', theme === 'auto' ? undefined : theme);
  preferences.patch({ theme });
}

function keep(name: string, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // It holds for this visit.
  }
}
