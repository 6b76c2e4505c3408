/** The page: signs in, goes live while somebody is signed in, and shows the screen that the address names. */
import { render } from 'preact';
import { useEffect } from 'preact/hooks';
import { Shell } from './parts/shell.js';
import { Toasts } from './parts/toasts.js';
import { ConflictScreen } from './screens/conflict.js';
import { Conflicts } from './screens/conflicts.js';
import { EntityScreen } from './screens/entity.js';
import { Health } from './screens/health.js';
import { Home } from './screens/home.js';
import { LogScreen } from './screens/log.js';
import { Queue } from './screens/queue.js';
import { SignIn } from './screens/sign-in.js';
import { goLive } from './state/live.js';
import { type Place, place } from './state/route.js';
import { comeBack, type Session, session } from './state/session.js';
import { useStore } from './state/store.js';

function App() {
  const now = useStore(session);
  const at = useStore(place);
  const isIn = now.kind === 'in';
  useEffect(() => (isIn ? goLive() : undefined), [isIn]);
  return (
    <>
      <Shell>{contentOf(now, at)}</Shell>
      <Toasts />
    </>
  );
}

function contentOf(now: Session, at: Place) {
  if (now.kind === 'in') return <Screen at={at} />;
  // A token from before is tried in silence; whoever loads the page anew sees no form flash by.
  if (now.kind === 'entering' && now.known) return <main id="content" aria-busy="true" />;
  return <SignIn session={now} />;
}

function Screen({ at }: { at: Place }) {
  switch (at.screen) {
    case 'home':
      return <Home />;
    case 'queue':
      return <Queue key={at.status} status={at.status} />;
    case 'conflicts':
      return <Conflicts key={at.status} status={at.status} />;
    case 'conflict':
      return <ConflictScreen key={at.id} id={at.id} />;
    case 'log':
      return <LogScreen />;
    case 'entity':
      return <EntityScreen key={`${at.type} ${at.id}`} type={at.type} id={at.id} />;
    case 'health':
      return <Health />;
    default:
      return at satisfies never;
  }
}

comeBack();
const root = document.getElementById('app') as HTMLElement;
root.replaceChildren();
render(<App />, root);
