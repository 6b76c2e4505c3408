/** Both sides of a conflict beside each other, field by field: before, shop, cloud; with a choice for each where one is asked for. */
import { useId } from 'preact/hooks';
import type { Conflict } from '../api/types.js';
import { useWords } from '../i18n/words.js';
import { type Field, fieldsOf, type Pick, type Picks, typedText } from '../state/choice.js';
import { Icon } from './icon.js';
import { useMoneyField, Value } from './value.js';

type ConflictTableProps = { conflict: Conflict; picks?: Picks; onPick?: (name: string, pick: Pick) => void };

export function ConflictTable({ conflict, picks, onPick }: ConflictTableProps) {
  const { t } = useWords();
  const money = useMoneyField(conflict.entity_type);
  const fields = fieldsOf(conflict);
  const differing = fields.filter(({ differs }) => differs);
  const same = fields.filter(({ differs }) => !differs);
  const { local, cloud, cloud_version, base } = conflict;
  return (
    <>
      {local === null && <p class="gone">{t.conflicts.deletedShop}</p>}
      {cloud === null && (
        <p class="gone">{cloud_version === 0 ? t.conflicts.nothingCloud : t.conflicts.deletedCloud}</p>
      )}
      <table class="sides">
        <caption class="sr">{t.conflicts.lead}</caption>
        <thead>
          <tr>
            <th scope="col">{t.conflicts.field}</th>
            {base !== null && <th scope="col">{t.conflicts.before}</th>}
            <th scope="col">{t.conflicts.shop}</th>
            <th scope="col">{t.conflicts.cloud}</th>
            {onPick && <th scope="col">{t.conflicts.edit}</th>}
          </tr>
        </thead>
        <tbody>
          {differing.map((field) => (
            <Row
              key={field.name}
              field={field}
              money={field.name === money}
              withBase={base !== null}
              pick={picks?.[field.name]}
              onPick={onPick && ((pick) => onPick(field.name, pick))}
            />
          ))}
        </tbody>
      </table>
      {same.length > 0 && (
        <details>
          <summary>{t.conflicts.same}</summary>
          <dl class="facts small">
            {same.map(({ name, shop, cloud: clouds }) => (
              <div class="pair" key={name}>
                <dt>{name}</dt>
                <dd>
                  <Value value={shop ?? clouds} money={name === money} />
                </dd>
              </div>
            ))}
          </dl>
        </details>
      )}
    </>
  );
}

type RowProps = {
  field: Field;
  money: boolean;
  withBase: boolean;
  pick: Pick | undefined;
  onPick: ((pick: Pick) => void) | undefined;
};

function Row({ field, money, withBase, pick, onPick }: RowProps) {
  const { t } = useWords();
  const group = useId();
  const { name, before, shop, cloud } = field;
  const side = (from: 'shop' | 'cloud') => {
    const label = t.conflicts[from];
    const value = field[from];
    if (!onPick) {
      return (
        <td data-label={label} class="differs">
          <Value value={value} money={money} />
        </td>
      );
    }
    return (
      <td data-label={label} class={pick?.from === from ? 'differs chosen' : 'differs'}>
        <label class="pick">
          <input
            type="radio"
            name={group}
            checked={pick?.from === from}
            disabled={value === undefined}
            aria-label={`${t.conflicts.choose(name)}: ${label} ${typedText(value)}`}
            onChange={() => onPick({ from })}
          />
          <Value value={value} money={money} />
        </label>
      </td>
    );
  };
  return (
    <tr>
      <th scope="row">
        <span class="field-name">
          <Icon name="attention" />
          {name}
          <span class="sr"> ({t.conflicts.differs})</span>
        </span>
      </th>
      {withBase && (
        <td data-label={t.conflicts.before} class="before">
          <Value value={before} money={money} />
        </td>
      )}
      {side('shop')}
      {side('cloud')}
      {onPick && (
        <td data-label={t.conflicts.edit} class={pick?.from === 'own' ? 'differs chosen' : 'differs'}>
          <div class="pick">
            <input
              type="radio"
              name={group}
              checked={pick?.from === 'own'}
              aria-label={`${t.conflicts.choose(name)}: ${t.conflicts.edit}`}
              onChange={() => onPick({ from: 'own', text: typedText(shop ?? cloud) })}
            />
            <input
              class="input small"
              aria-label={`${t.conflicts.edit}: ${name}`}
              value={pick?.from === 'own' ? pick.text : ''}
              placeholder={t.conflicts.edit}
              onInput={(event) => onPick({ from: 'own', text: event.currentTarget.value })}
            />
          </div>
        </td>
      )}
    </tr>
  );
}
