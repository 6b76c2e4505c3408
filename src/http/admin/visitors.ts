/**
 * Keeps web pages of strangers away from the admin port. A browser on this machine may be led here by any page: under another
 * name (DNS rebinding), which the Host header gives away, or from another place, which the Origin header gives away. Pure.
 */
import { isLoopback } from '../../config/scalars.js';
import type { AdminSettings } from '../../config/settings.js';
import type { HttpAnswer, HttpRequest } from '../exchange.js';
import { problem } from '../problem.js';

/** Every address of the machine; nobody calls it so. */
const ANY = new Set(['0.0.0.0', '::']);

export class Visitors {
  readonly #names: ReadonlySet<string>;
  readonly #trusted: ReadonlySet<string>;

  constructor({ listen, hosts }: Pick<AdminSettings, 'listen' | 'hosts'>) {
    this.#trusted = new Set(hosts.map(bare));
    this.#names = new Set([...this.#trusted, ...(ANY.has(listen.host) ? [] : [bare(listen.host)])]);
  }

  /** Why this visitor is sent away; undefined: welcome so far. */
  refuse(request: HttpRequest): HttpAnswer | undefined {
    const host = request.headers.host ?? '';
    const name = nameOf(host);
    if (name === undefined || !(isLoopback(name) || this.#names.has(name)) || request.values('host').length > 1) {
      return problem('unknown-host', `the request is for ${JSON.stringify(host.slice(0, 100))}`, {
        hint: 'Name it in admin.hosts if that is how this machine is called.',
      });
    }
    const origin = request.headers.origin;
    if (origin === undefined || this.#isOwn(origin, host)) return undefined;
    return problem('foreign-origin', `the request comes from a page of ${JSON.stringify(origin.slice(0, 100))}`, {
      hint: 'Name its host in admin.hosts if it is to be trusted.',
    });
  }

  /** The very address that was called, or a name that the configuration trusts: what else runs on this machine is a stranger. */
  #isOwn(origin: string, host: string): boolean {
    const place = /^https?:\/\/([^/?#@]+)$/.exec(origin.toLowerCase())?.[1];
    if (place === undefined) return false;
    return place === host.toLowerCase() || this.#trusted.has(nameOf(place) ?? '');
  }
}

/** The name in `till-7.local:8421` or `[::1]:8421`, without its port; undefined where there is none. */
function nameOf(authority: string): string | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::\d{1,5})?$/.exec(authority.toLowerCase());
  return match ? bare((match[1] as string).replace(/\.$/, '')) : undefined;
}

function bare(host: string): string {
  return host.toLowerCase().replace(/^\[|\]$/g, '');
}
