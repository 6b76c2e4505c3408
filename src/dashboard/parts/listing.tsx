/** What every list has: a heading with its tabs, a place for when there is nothing, the way through its pages. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { useWords } from '../i18n/words.js';
import type { Paged } from '../state/load.js';
import { Icon } from './icon.js';
import { TroubleNotice } from './notice.js';

export type Tab = { href: string; label: string; current: boolean; count?: number | null | undefined };

export function ScreenHead({ title, lead, children }: { title: string; lead?: string; children?: ComponentChildren }) {
  return (
    <div class="screen-head">
      <h1>{title}</h1>
      {children}
      {lead && <p>{lead}</p>}
    </div>
  );
}

export function Tabs({ label, tabs }: { label: string; tabs: Tab[] }) {
  const { f } = useWords();
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map(({ href, label: words, current, count }) => (
        <a key={href} href={href} aria-current={current ? 'page' : undefined}>
          {words}
          {typeof count === 'number' && count > 0 && <span class="tab-count">{f.number(count)}</span>}
        </a>
      ))}
    </nav>
  );
}

type ListingProps<T> = { paged: Paged<T>; empty: string; children: (items: T[]) => ComponentChildren };

export function Listing<T>({ paged, empty, children }: ListingProps<T>) {
  const { t } = useWords();
  const { value, trouble, again, busy, number } = paged;
  const top = useRef<HTMLDivElement>(null);
  const shown = useRef(number);
  useEffect(() => {
    // Another page begins at its first row.
    const above = (top.current?.getBoundingClientRect().top ?? 0) < 0;
    if (!busy && shown.current !== number && above) top.current?.scrollIntoView();
    if (!busy) shown.current = number;
  }, [busy, number]);
  if (!value && trouble) return <TroubleNotice trouble={trouble} again={again} />;
  if (!value) {
    return (
      <div class="card wait soft" aria-busy="true">
        {t.loading} …
      </div>
    );
  }
  return (
    <div class="card listing" ref={top} aria-busy={busy}>
      {value.items.length === 0 ? <Empty words={empty} /> : children(value.items)}
      <Pager paged={paged} />
    </div>
  );
}

export function Empty({ words }: { words: string }) {
  return (
    <p class="empty">
      <Icon name="ok" />
      {words}
    </p>
  );
}

function Pager<T>({ paged: { number, next, previous, busy } }: { paged: Paged<T> }) {
  const { t, f } = useWords();
  if (!next && !previous) return null;
  return (
    <nav class="pager" aria-label={t.pager.label}>
      <button type="button" class="button small" disabled={!previous || busy} onClick={previous}>
        <Icon name="back" />
        <span class="pager-words">{t.pager.previous}</span>
      </button>
      <span class="soft" aria-live="polite">
        {t.pager.page(f.number(number))}
      </span>
      <button type="button" class="button small" disabled={!next || busy} onClick={next}>
        <span class="pager-words">{t.pager.next}</span>
        <Icon name="forward" />
      </button>
    </nav>
  );
}
