/** Narrows a list to a kind of record, or to one; it takes what the command line takes. */
import { useId, useState } from 'preact/hooks';
import { useWords } from '../i18n/words.js';
import { session } from '../state/session.js';
import { useStore } from '../state/store.js';

export function EntityFilter({ onChange }: { onChange: (entity: string) => void }) {
  const { t } = useWords();
  const types = useStore(session, (now) => (now.kind === 'in' ? now.self.entities : undefined)) ?? [];
  const [chosen, setChosen] = useState('');
  const id = useId();
  return (
    <div class="filter">
      <label class="label" for={id}>
        {t.queue.filter}
      </label>
      <select
        id={id}
        class="input small"
        value={chosen}
        onChange={(event) => {
          setChosen(event.currentTarget.value);
          onChange(event.currentTarget.value);
        }}
      >
        <option value="">{t.queue.all}</option>
        {types.map(({ entity_type }) => (
          <option key={entity_type} value={entity_type}>
            {entity_type}
          </option>
        ))}
      </select>
    </div>
  );
}
