/** A state in a word, with its sign and its colour. */
import type { Tone } from '../state/answer.js';
import { Icon, type IconName } from './icon.js';

export function Badge({ tone, icon = tone, children }: { tone: Tone; icon?: IconName; children: string }) {
  return (
    <span class={`badge tone-${tone}`}>
      <Icon name={icon} />
      {children}
    </span>
  );
}
