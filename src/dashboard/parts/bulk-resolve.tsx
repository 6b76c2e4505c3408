/** Ends many conflicts by one strategy: the chosen ones, or all that are open, a few to a request. */
import { useId, useState } from 'preact/hooks';
import { post } from '../api/client.js';
import { listConflicts } from '../api/conflicts.js';
import type { Strategy } from '../api/types.js';
import { useWords } from '../i18n/words.js';
import { query } from '../state/load.js';
import { useAct } from './act.js';
import { Dialog } from './dialog.js';

const STRATEGIES: Strategy[] = ['cloud_wins', 'local_wins', 'newest_wins', 'merge'];
/** Each is a transaction of its own: a slow machine needs its time, and the reader sees it go on. */
const AT_ONCE = 25;
const PAGE = 500;

type BulkResolveProps = {
  chosen: string[];
  /** A kind of record; empty: all. */
  filter: string;
  /** How many are open by that filter, where it is known. */
  open: number | undefined;
  allChosen: boolean;
  onChooseAll: (all: boolean) => void;
  onDone: () => void;
};

export function BulkResolve({ chosen, filter, open, allChosen, onChooseAll, onDone }: BulkResolveProps) {
  const { t, f } = useWords();
  const [strategy, setStrategy] = useState<Strategy>('cloud_wins');
  const [asking, setAsking] = useState<'chosen' | 'all'>();
  const [progress, setProgress] = useState<{ done: number; of: number }>();
  const selectId = useId();
  const { busy, run } = useAct(async (which: 'chosen' | 'all', reason: string | undefined) => {
    const ids = which === 'chosen' ? chosen : await everyOpen(filter);
    let done = 0;
    for (let at = 0; at < ids.length; at += AT_ONCE) {
      setProgress({ done: at, of: ids.length });
      const part = { ids: ids.slice(at, at + AT_ONCE), strategy, ...(reason !== undefined && { reason }) };
      done += (await post<{ done: number }>('/resolve', part)).done;
    }
    return t.conflicts.bulkDone(f.number(done), f.number(ids.length - done));
  });
  const act = async (reason: string | undefined) => {
    await run(asking ?? 'chosen', reason);
    setProgress(undefined);
    setAsking(undefined);
    onDone();
  };
  return (
    <div class="card bulk">
      <label class="check">
        <input type="checkbox" checked={allChosen} onChange={(event) => onChooseAll(event.currentTarget.checked)} />
        {chosen.length > 0 ? t.conflicts.selected(f.number(chosen.length)) : t.conflicts.selectPage}
      </label>
      <div class="row bulk-acts">
        <label class="sr" for={selectId}>
          {t.conflicts.how}
        </label>
        <select
          id={selectId}
          class="input small"
          value={strategy}
          onChange={(event) => setStrategy(event.currentTarget.value as Strategy)}
        >
          {STRATEGIES.map((one) => (
            <option key={one} value={one}>
              {t.conflicts.strategy[one]}
            </option>
          ))}
        </select>
        <button
          type="button"
          class="button small main"
          disabled={chosen.length === 0}
          onClick={() => setAsking('chosen')}
        >
          {t.conflicts.apply}
        </button>
        <button type="button" class="button small" onClick={() => setAsking('all')}>
          {t.conflicts.bulkAll} …
        </button>
      </div>
      {asking && (
        <Dialog
          title={t.conflicts.bulkTitle}
          does={t.conflicts.apply}
          reason="asked"
          busy={busy}
          onClose={() => setAsking(undefined)}
          onDo={(reason) => void act(reason)}
        >
          <p>{t.conflicts.bulkText(count(), t.conflicts.strategy[strategy] ?? strategy)}</p>
          <p role="status">{progress && t.conflicts.bulkProgress(f.number(progress.done), f.number(progress.of))}</p>
        </Dialog>
      )}
    </div>
  );

  function count(): string {
    if (asking === 'chosen') return f.number(chosen.length);
    return open === undefined ? `${t.queue.all} ${filter}` : f.number(open);
  }
}

async function everyOpen(entity: string): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const filter = { status: 'open', entity: entity || undefined, cursor, limit: String(PAGE) };
    const page = await listConflicts(query(filter));
    ids.push(...page.items.map(({ id }) => id));
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return ids;
}
