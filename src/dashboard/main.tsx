/** The page: signs in, goes live while somebody is signed in, and shows the screen that the address names. */
import { render } from 'preact';
import { useEffect } from 'preact/hooks';
import { Shell } from './parts/shell.js';
import { Toasts } from './parts/toasts.js';
import { Home } from './screens/home.js';
import { Queue } from './screens/queue.js';
import { SignIn } from './screens/sign-in.js';
import { goLive } from './state/live.js';
import { type Place, place } from './state/route.js';
import { comeBack, session } from './state/session.js';
import { useStore } from './state/store.js';

function App() {
  const now = useStore(session);
  const at = useStore(place);
  const isIn = now.kind === 'in';
  useEffect(() => (isIn ? goLive() : undefined), [isIn]);
  return (
    <>
      <Shell>{now.kind === 'in' ? <Screen at={at} /> : <SignIn session={now} />}</Shell>
      <Toasts />
    </>
  );
}

function Screen({ at }: { at: Place }) {
  switch (at.screen) {
    case 'home':
      return <Home />;
    default:
      return <Queue />;
  }
}

comeBack();
const root = document.getElementById('app') as HTMLElement;
root.replaceChildren();
render(<App />, root);
