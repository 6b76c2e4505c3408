/**
 * Whose request it is. Pure. One form for every address, so that a v4 address in v6's clothes is v4 and no spelling passes
 * for another sender; networks as a person writes them; and the sender behind proxies, which counts only where every proxy
 * on the way is one of ours.
 */
import { BlockList, isIP } from 'node:net';

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

/** Addresses and networks, v4 and v6, as they stand in the configuration. */
export class AddressList {
  /** Two lists, for one alone takes ::/0 to contain v4. */
  readonly #v4 = new BlockList();
  readonly #v6 = new BlockList();

  /** @param entries addresses or networks (`203.0.113.0/24`) that were checked already */
  constructor(entries: readonly string[]) {
    for (const entry of entries) {
      const [raw = '', bits] = entry.split('/');
      const address = canonicalAddress(raw) ?? raw;
      if (isIP(address) === 6) this.#v6.addSubnet(address, bits === undefined ? 128 : Number(bits), 'ipv6');
      else this.#v4.addSubnet(address, v4Bits(raw, bits), 'ipv4');
    }
  }

  /** @param address in the form of `canonicalAddress` */
  has(address: string): boolean {
    const family = isIP(address);
    if (family === 4) return this.#v4.check(address, 'ipv4');
    return family === 6 && this.#v6.check(address, 'ipv6');
  }
}

/** The bits of a network of v4 addresses; of the mapped form only those behind the 96 that make it one. */
function v4Bits(raw: string, bits: string | undefined): number {
  if (bits === undefined) return 32;
  return isIP(raw) === 4 ? Number(bits) : Math.max(0, Number(bits) - 96);
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
  const [head = '', tail] = address.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = tail === undefined ? front : [...front, ...Array(8 - front.length - back.length).fill('0'), ...back];
  return `${groups.slice(0, 4).join(':')}::/64`;
}
