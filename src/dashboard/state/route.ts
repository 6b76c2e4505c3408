/** Where in the page the reader is: the part of the address behind `#`, so that a place can be named, kept and gone back to. */
import { Store } from './store.js';

export type Place =
  | { screen: 'home' }
  | { screen: 'queue'; status: 'waiting' | 'failed' | 'synced' }
  | { screen: 'conflicts'; status: 'open' | 'resolved' }
  | { screen: 'conflict'; id: string }
  | { screen: 'log' }
  | { screen: 'entity'; type: string; id: string }
  | { screen: 'health' };

export function placeOf(hash: string): Place {
  const [screen = '', ...rest] = hash.replace(/^#\/?/, '').split('/').map(decoded);
  switch (screen) {
    case 'queue':
      return { screen, status: rest[0] === 'failed' || rest[0] === 'synced' ? rest[0] : 'waiting' };
    case 'conflicts':
      if (/^\d+$/.test(rest[0] ?? '')) return { screen: 'conflict', id: rest[0] as string };
      return { screen, status: rest[0] === 'resolved' ? 'resolved' : 'open' };
    case 'entity':
      return rest.length === 2 ? { screen, type: rest[0] as string, id: rest[1] as string } : { screen: 'home' };
    case 'log':
    case 'health':
      return { screen };
    default:
      return { screen: 'home' };
  }
}

export function hashOf(place: Place): string {
  switch (place.screen) {
    case 'home':
      return '#/';
    case 'queue':
      return place.status === 'waiting' ? '#/queue' : `#/queue/${place.status}`;
    case 'conflicts':
      return place.status === 'open' ? '#/conflicts' : '#/conflicts/resolved';
    case 'conflict':
      return `#/conflicts/${place.id}`;
    case 'entity':
      return `#/entity/${encodeURIComponent(place.type)}/${encodeURIComponent(place.id)}`;
    case 'log':
    case 'health':
      return `#/${place.screen}`;
    default:
      return place satisfies never;
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const place = new Store<Place>(placeOf(location.hash));
addEventListener('hashchange', () => place.set(placeOf(location.hash)));
