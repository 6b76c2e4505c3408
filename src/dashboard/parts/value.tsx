/** A value of the shop's as a person reads it: only ever as text. Money in Rupiah where the configuration says which field it is. */
import { Digits, type Exact, textOf } from '../api/exact.js';
import { useWords } from '../i18n/words.js';
import { session } from '../state/session.js';
import { useStore } from '../state/store.js';

/** @returns the entity's field that holds money */
export function useMoneyField(entity_type: string): string | null {
  return useStore(session, (now) =>
    now.kind === 'in' ? (now.self.entities.find((one) => one.entity_type === entity_type)?.money_field ?? null) : null,
  );
}

export function Value({ value, money = false }: { value: Exact | undefined; money?: boolean }) {
  const { t, f } = useWords();
  if (value === undefined) return <span class="value-none">{t.conflicts.missing}</span>;
  if (value === null || value === '') return <span class="value-none">{t.conflicts.empty2}</span>;
  if (typeof value === 'string') {
    return (
      <bdi class="value" title={isInstant(value) ? f.instant(value) : undefined}>
        {money ? f.money(value) : value}
      </bdi>
    );
  }
  if (value instanceof Digits) return <bdi class="value">{money ? f.money(value.text) : value.text}</bdi>;
  return <bdi class="value">{textOf(value)}</bdi>;
}

function isInstant(text: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(text);
}
