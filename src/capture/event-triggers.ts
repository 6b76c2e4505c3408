/**
 * Where an event trigger of the POS's own (a log of every DDL, say) fails at what install, uninstall or a suspension does: it runs as
 * whoever does that, and that is mostly the owner of our schema. Pure.
 */
import { SyncError } from '../errors.js';
import { OWNER, SCHEMA } from './names.js';

/** Nothing else of the POS's runs in a step: a function that stands in the error's context is an event trigger's. */
const CULPRIT = /PL\/pgSQL function (\S+?\(.*?\)) line/g;

/** @returns undefined where it is another's fault */
export function eventTriggerFault(about: string, error: unknown): SyncError | undefined {
  const failed = failureIn(error);
  const functions = [...(failed?.where ?? '').matchAll(CULPRIT)].map(([, name]) => name ?? '');
  const culprit = functions.find((name) => !name.startsWith(`${SCHEMA}.`));
  if (!failed || culprit === undefined) return undefined;
  return new SyncError(
    'failed',
    `${about}: ${culprit} failed, which an event trigger of this database calls: ${failed.message}`,
    {
      hint: `It has to work for ${OWNER} too: ALTER FUNCTION ${culprit} SECURITY DEFINER; or switch the event trigger off meanwhile. Then run the same command again.`,
    },
  );
}

type Failed = { message: string; where?: string };

/** What the server said, however it was wrapped. */
function failureIn(error: unknown): Failed | undefined {
  if (!(error instanceof Error)) return undefined;
  return 'where' in error && typeof error.where === 'string' ? (error as Failed) : failureIn(error.cause);
}
