/** What stands around every screen: the bar with whose outlet it is, the way to the screens, and whether anybody answers. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { useWords } from '../i18n/words.js';
import { live } from '../state/live.js';
import { hashOf, type Place, place } from '../state/route.js';
import { session } from '../state/session.js';
import { useStore } from '../state/store.js';
import { Badge } from './badge.js';
import { Brand, Icon, type IconName } from './icon.js';
import { Menu } from './menu.js';
import { say } from './toasts.js';

type Way = { to: Place; icon: IconName; label: string; also?: Place['screen'][]; count?: number };

export function Shell({ children }: { children: ComponentChildren }) {
  const { t } = useWords();
  const self = useStore(session, (now) => (now.kind === 'in' ? now.self : undefined));
  const content = useRef<HTMLElement>(null);
  const at = useStore(place);
  const first = useRef(true);
  // Another screen: whoever listens to the page hears its heading, whoever types goes on from there.
  useEffect(() => {
    if (!first.current) {
      scrollTo(0, 0);
      content.current?.focus({ preventScroll: true });
    }
    first.current = false;
  }, [hashOf(at)]);
  return (
    <div class={self ? 'with-nav' : undefined}>
      <button type="button" class="skip" onClick={() => document.getElementById('content')?.focus()}>
        {t.skip}
      </button>
      <header class="bar">
        <a class="bar-brand" href="#/">
          <Brand />
          syncd
        </a>
        {self && <span class="bar-outlet">{self.outlet.code ?? self.outlet.id}</span>}
        <div class="bar-end">
          {self?.role === 'read' && (
            <span title={t.readOnlyHint}>
              <Badge tone="unknown" icon="look">
                {t.readOnly}
              </Badge>
            </span>
          )}
          <Menu />
        </div>
      </header>
      {self && <Nav />}
      <LinkState />
      {self ? (
        <main id="content" ref={content} tabIndex={-1}>
          {children}
        </main>
      ) : (
        children
      )}
    </div>
  );
}

function Nav() {
  const { t, f } = useWords();
  const at = useStore(place);
  const failed = useStore(live, (now) => now.status?.failed ?? 0);
  const conflicts = useStore(live, (now) => now.status?.conflicts ?? 0);
  const ways: Way[] = [
    { to: { screen: 'home' }, icon: 'home', label: t.nav.home },
    { to: { screen: 'queue', status: 'waiting' }, icon: 'queue', label: t.nav.queue, also: ['entity'], count: failed },
    {
      to: { screen: 'conflicts', status: 'open' },
      icon: 'conflicts',
      label: t.nav.conflicts,
      also: ['conflict'],
      count: conflicts,
    },
    { to: { screen: 'log' }, icon: 'log', label: t.nav.log },
    { to: { screen: 'health' }, icon: 'health', label: t.nav.health },
  ];
  return (
    <nav class="nav" aria-label={t.nav.label}>
      <ul>
        {ways.map(({ to, icon, label, also, count = 0 }) => (
          <li key={to.screen}>
            <a
              href={hashOf(to)}
              aria-current={at.screen === to.screen || also?.includes(at.screen) ? 'page' : undefined}
            >
              <Icon name={icon} />
              {label}
              {count > 0 && <span class="count nav-count">{count > 999 ? '999+' : f.number(count)}</span>}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function LinkState() {
  const { t, f } = useWords();
  const lostAt = useStore(live, (now) => (now.link === 'lost' ? now.lostAt : undefined));
  const wasLost = useRef(false);
  useEffect(() => {
    if (wasLost.current && lostAt === undefined && live.value.link === 'live') say(t.link.back);
    wasLost.current = lostAt !== undefined;
  }, [lostAt]);
  return (
    <div role="status">
      {lostAt !== undefined && (
        <div class="notice lost tone-waiting">
          <Icon name="lost" />
          <div>{t.link.lost(f.time(lostAt, Date.now()))}</div>
        </div>
      )}
    </div>
  );
}
