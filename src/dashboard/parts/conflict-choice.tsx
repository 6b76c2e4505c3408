/** Chooses what to keep of a conflict, shows the row as it will be on both sides, and applies it. */
import { useId, useState } from 'preact/hooks';
import { post } from '../api/client.js';
import type { Conflict } from '../api/types.js';
import { useWords } from '../i18n/words.js';
import {
  allFrom,
  bodyOf,
  chosenValue,
  fieldsOf,
  isByField,
  type Picks,
  type Request,
  requestFor,
} from '../state/choice.js';
import { useAct } from './act.js';
import { ConflictTable } from './conflict-table.js';
import { Icon } from './icon.js';
import { useMoneyField, Value } from './value.js';

export function ConflictChoice({ conflict, onDone }: { conflict: Conflict; onDone: () => void }) {
  const { t } = useWords();
  const fields = fieldsOf(conflict);
  const byField = isByField(conflict);
  const [picks, setPicks] = useState<Picks>(() => allFrom('shop', fields));
  const [side, setSide] = useState<'shop' | 'cloud'>('shop');
  const [note, setNote] = useState('');
  const noteId = useId();
  const request: Request = byField
    ? requestFor(conflict, picks)
    : { strategy: side === 'shop' ? 'local_wins' : 'cloud_wins' };
  const { busy, run } = useAct(async () => {
    await post(`/resolve/${conflict.id}`, bodyOf(request, note.trim() || undefined));
    return t.conflicts.applied;
  });
  const takeAll = (from: 'shop' | 'cloud') => {
    setPicks(allFrom(from, fields));
    setSide(from);
  };
  return (
    <form
      class="stack"
      onSubmit={async (event) => {
        event.preventDefault();
        if (await run()) onDone();
      }}
    >
      <div class="card">
        <div class="row tools">
          {(['shop', 'cloud'] as const).map((from) => (
            <button
              key={from}
              type="button"
              class="button small"
              aria-pressed={byField ? isAllFrom(picks, from) : side === from}
              onClick={() => takeAll(from)}
            >
              {from === 'shop' ? t.conflicts.takeShop : t.conflicts.takeCloud}
            </button>
          ))}
        </div>
        {byField ? (
          <ConflictTable
            conflict={conflict}
            picks={picks}
            onPick={(name, pick) => setPicks({ ...picks, [name]: pick })}
          />
        ) : (
          <ConflictTable conflict={conflict} />
        )}
      </div>
      <div class="card preview">
        <h2>{t.conflicts.preview}</h2>
        <Preview conflict={conflict} picks={picks} request={request} />
        <div class="field">
          <label for={noteId}>{t.conflicts.note}</label>
          <input
            id={noteId}
            class="input"
            maxLength={1000}
            value={note}
            onInput={(event) => setNote(event.currentTarget.value)}
          />
        </div>
        <button type="submit" class="button main" disabled={busy}>
          <Icon name="ok" />
          {t.conflicts.apply}
        </button>
      </div>
    </form>
  );
}

function isAllFrom(picks: Picks, side: 'shop' | 'cloud'): boolean {
  return Object.values(picks).every(({ from }) => from === side);
}

function Preview({ conflict, picks, request }: { conflict: Conflict; picks: Picks; request: Request }) {
  const { t } = useWords();
  const money = useMoneyField(conflict.entity_type);
  const { local, cloud } = conflict;
  if (local === null && request.strategy === 'local_wins') return <p>{t.conflicts.previewShopDeleted}</p>;
  if (cloud === null && request.strategy === 'cloud_wins') return <p>{t.conflicts.previewCloudDeleted}</p>;
  const whole = request.strategy === 'local_wins' ? t.conflicts.previewShop : t.conflicts.previewCloud;
  return (
    <>
      {request.strategy !== 'data' && <p>{whole}</p>}
      <dl class="facts" aria-live="polite">
        {fieldsOf(conflict)
          .filter(({ differs }) => differs)
          .map((field) => {
            const wholly = request.strategy === 'cloud_wins' ? 'cloud' : 'shop';
            const pick = request.strategy === 'data' ? (picks[field.name] ?? { from: 'shop' }) : { from: wholly };
            return (
              <div class="pair" key={field.name}>
                <dt>{field.name}</dt>
                <dd>
                  <strong>
                    <Value value={chosenValue(field, pick as never)} money={field.name === money} />
                  </strong>
                </dd>
              </div>
            );
          })}
      </dl>
    </>
  );
}
