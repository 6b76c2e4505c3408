/** The words and formats of the chosen language, in the outlet's time zone. */
import { preferences } from '../state/preferences.js';
import { session } from '../state/session.js';
import { useStore } from '../state/store.js';
import { en, type Words } from './en.js';
import { createFormat, type Format } from './format.js';
import { id } from './id.js';

const LANGUAGES: Record<'id' | 'en', Words> = { id, en };

const formats = new Map<string, Format>();

function formatFor(words: Words, timeZone: string): Format {
  const key = `${words.locale} ${timeZone}`;
  const known = formats.get(key) ?? createFormat(words.locale, timeZone, words.span);
  formats.set(key, known);
  return known;
}

export function useWords(): { t: Words; f: Format } {
  const language = useStore(preferences, (chosen) => chosen.language);
  const timeZone = useStore(session, (now) => (now.kind === 'in' ? now.self.outlet.timezone : undefined));
  const t = LANGUAGES[language];
  return { t, f: formatFor(t, timeZone ?? 'UTC') };
}
