/** A record's name, and the way to its history. */
import { hashOf } from '../state/route.js';

export function EntityLink({ type, id }: { type: string; id: string }) {
  return (
    <a class="name" href={hashOf({ screen: 'entity', type, id })}>
      {type} <bdi>{id}</bdi>
    </a>
  );
}
