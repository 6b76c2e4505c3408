/**
 * Who looks: the token, which is kept for this tab alone and ends with it, and what the daemon says of its bearer. Ends when the
 * reader signs out or the token is refused.
 */
import { get, setToken, type Trouble, troubleOf, whenTokenIsRefused } from '../api/client.js';
import type { SelfReport } from '../api/types.js';
import { Store } from './store.js';
import { later } from './timers.js';

export type Session =
  | { kind: 'out'; trouble: Trouble | undefined }
  /** A token is being tried; `known`: it is one from before in this tab. */
  | { kind: 'entering'; trouble: Trouble | undefined; known: boolean }
  | { kind: 'in'; self: SelfReport };

const KEY = 'syncd.token';
const AGAIN_MS = 3_000;

export const session = new Store<Session>({ kind: 'out', trouble: undefined });

export async function signIn(token: string, known = false): Promise<void> {
  session.set({ kind: 'entering', trouble: undefined, known });
  setToken(token);
  try {
    const self = await get<SelfReport>('/self');
    keep(token);
    session.set({ kind: 'in', self });
  } catch (error) {
    const trouble = troubleOf(error);
    // Nobody answered: the token may be right.
    if (trouble.kind === 'lost' && known) {
      session.set({ kind: 'entering', trouble, known });
      later(AGAIN_MS, () => void signIn(token, known));
    } else leave(trouble);
  }
}

export function signOut(): void {
  leave(undefined);
}

/** Goes on where this tab was before it was loaded anew. */
export function comeBack(): void {
  const token = kept();
  if (token !== undefined) void signIn(token, true);
}

whenTokenIsRefused((trouble) => {
  if (session.value.kind === 'in') leave(trouble);
});

function leave(trouble: Trouble | undefined): void {
  setToken(undefined);
  keep(undefined);
  session.set({ kind: 'out', trouble });
}

function kept(): string | undefined {
  try {
    return sessionStorage.getItem(KEY) ?? undefined;
  } catch {
    return undefined;
  }
}

function keep(token: string | undefined): void {
  try {
    if (token === undefined) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, token);
  } catch {
    // Without storage the session ends with the page.
  }
}
