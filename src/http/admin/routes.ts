/**
 * The admin port: who is let in, and which route answers. In this order: the name it was called by, the page it comes from,
 * the token, the route, the method. Every fault becomes a problem document here; none tells a stranger more than he may know.
 */
import { SyncError } from '../../errors.js';
import type { Log } from '../../log.js';
import { senderKey } from '../addresses.js';
import type { Handler, HttpAnswer, HttpRequest } from '../exchange.js';
import { openApiRoutes } from '../openapi/routes.js';
import { problem, problemOf } from '../problem.js';
import type { AdminDeps, Route } from '../route.js';
import { signRoutes } from '../signs-of-life.js';
import { assetRoutes } from './assets.js';
import { doctorRoutes } from './doctor.js';
import { entityRoutes } from './entity.js';
import { figureRoutes } from './figures.js';
import { inboxRoutes } from './inbox.js';
import { listRoutes } from './lists.js';
import { liveRoutes } from './live.js';
import { manageRoutes } from './manage.js';
import { metricsRoutes } from './metrics.js';
import { resolveRoutes } from './resolve.js';
import { selfRoutes } from './self.js';
import type { Bearer, Tokens } from './token.js';
import type { Visitors } from './visitors.js';

export type DoorDeps = { tokens: Tokens; visitors: Visitors; log: Log };

/** Only the dashboard is a page that may load or run anything, which its own route says. */
const SAFE = {
  'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
};

/** Every route there is. */
export function adminRoutes(deps: AdminDeps): Route[] {
  return [
    ...assetRoutes(),
    ...signRoutes(deps),
    ...selfRoutes(deps),
    ...liveRoutes(deps),
    ...manageRoutes(deps),
    ...resolveRoutes(deps),
    ...listRoutes(deps),
    ...inboxRoutes(deps),
    ...entityRoutes(deps),
    ...figureRoutes(deps),
    ...doctorRoutes(deps),
    ...metricsRoutes(deps),
    ...openApiRoutes(),
  ];
}

export function adminHandler(deps: AdminDeps & DoorDeps): Handler {
  const routes = adminRoutes(deps);
  return async (request) => {
    const answer = await answerTo(deps, routes, request).catch((error: unknown) => {
      if (error instanceof SyncError) return problemOf(error);
      deps.log.error('a request to the admin port failed', { path: request.path.slice(0, 200), error });
      return problem('failed', 'the log of the daemon has the details', { hint: 'journalctl -u syncd' });
    });
    return { ...answer, headers: { ...SAFE, ...answer.headers } };
  };
}

async function answerTo(deps: DoorDeps, routes: Route[], request: HttpRequest): Promise<HttpAnswer> {
  const unwelcome = deps.visitors.refuse(request);
  if (unwelcome) return unwelcome;
  const fitting = routes.flatMap((route) => {
    const params = match(route.path, request.path);
    return params ? [{ route, params }] : [];
  });
  const open = fitting.length > 0 && fitting.every(({ route }) => route.open);
  const admitted = open ? undefined : admit(deps, request);
  if (admitted && 'answer' in admitted) return admitted.answer;
  if (fitting.length === 0)
    return problem('unknown-route', 'no route has this path', { hint: 'The routes begin with /api/v1/sync/.' });
  const chosen = fitting.find(({ route }) => route.method === request.method);
  if (!chosen) {
    const allow = fitting.map(({ route }) => route.method).join(', ');
    return problem('wrong-method', `this path takes ${allow}`, { headers: { allow } });
  }
  if (admitted?.bearer === 'read' && chosen.route.method !== 'GET')
    return problem('read-only-token', 'this token may look at everything and change nothing', {
      hint: 'Use the token of admin.token_file.',
    });
  const params = chosen.params.map(decoded);
  if (params.includes(undefined)) return problem('bad-path', 'the path is no percent-encoded UTF-8');
  const who = `${admitted?.bearer ?? 'no'} token from ${request.address}`;
  return chosen.route.handle({ request, params: params as string[], who, bearer: admitted?.bearer });
}

function admit({ tokens, log }: DoorDeps, request: HttpRequest): { bearer: Bearer } | { answer: HttpAnswer } {
  const admission = tokens.admit(request.headers.authorization, senderKey(request.address));
  const hint =
    'Authorization: Bearer TOKEN; unless admin.token_file names another, it stands in admin_token in the state directory.';
  switch (admission.kind) {
    case 'admitted':
      return { bearer: admission.bearer };
    case 'none':
      return {
        answer: problem('no-token', 'the request brings none', { hint, headers: { 'www-authenticate': 'Bearer' } }),
      };
    case 'wrong': {
      log.warn('a wrong token came to the admin port', {
        trouble: `wrong token from ${request.address}`,
        address: request.address,
      });
      const headers = { 'www-authenticate': 'Bearer error="invalid_token"' };
      return { answer: problem('wrong-token', 'nobody has this one', { hint, headers }) };
    }
    case 'locked': {
      const seconds = Math.max(1, Math.ceil(admission.forMs / 1_000));
      const headers = { 'retry-after': String(seconds) };
      return { answer: problem('too-many-tries', `nobody is listened to from there for ${seconds} s`, { headers }) };
    }
    default:
      return admission satisfies never;
  }
}

/** The raw parts that stand where the pattern has names; undefined: another path. */
function match(pattern: string, path: string): string[] | undefined {
  const [wanted, given] = [pattern.split('/'), path.split('/')];
  if (wanted.length !== given.length) return undefined;
  const params: string[] = [];
  for (const [place, part] of wanted.entries()) {
    const found = given[place] as string;
    if (part.startsWith(':') && found !== '') params.push(found);
    else if (part !== found) return undefined;
  }
  return params;
}

function decoded(part: string): string | undefined {
  try {
    const text = decodeURIComponent(part);
    return text.includes('\0') ? undefined : text;
  } catch {
    return undefined;
  }
}
