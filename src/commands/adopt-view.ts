/** How `syncd adopt` looks: what is remembered beside what was found, what that looks like, and what to type. Pure. */

import type { Settings } from '../config/settings.js';
import { INSTALL } from '../errors.js';
import type { AdoptAs, Adopted, Inspection } from '../ops/identity/adopt.js';
import type { IdentityVerdict, Remembered } from '../ops/identity/verdict.js';
import { count, fullTime, wrapped } from '../ops/status/words.js';
import type { Paint } from './output.js';

const LABEL = 15;
const COLUMN = 26;
const WIDTH = 80;

export function inspectionScreen(
  { memory, outlet, verdict, counts }: Inspection,
  settings: Settings,
  paint: Paint,
): string {
  const remembered = typeof memory === 'object' ? memory : undefined;
  const { place } = outlet;
  const rows: [label: string, of: (memory: Remembered) => string, found: string][] = [
    ['outlet', (one) => one.outlet_id, outlet.outlet_id],
    ['installation', (one) => one.install_id.slice(0, 18), outlet.install_id.slice(0, 18)],
    ['epoch', (one) => one.epoch, outlet.epoch],
    ['server', (one) => one.system, place.system],
    ['timeline', (one) => String(one.timeline), String(place.timeline)],
    ['database', (one) => one.database, place.database],
    ['queue', (one) => one.queue, place.queue],
    ['settled up to', (one) => one.settled_id, outlet.settled_id],
    [
      'by the clock',
      (one) => at(one.noted_ms, settings),
      outlet.alive_ms === null ? 'never' : at(outlet.alive_ms, settings),
    ],
  ];
  const lines = [paint('bold', `${''.padEnd(LABEL)}${'remembered here'.padEnd(COLUMN)}found in the database`)];
  for (const [label, of, found] of rows) {
    const before = remembered ? of(remembered) : NOTHING[memory as keyof typeof NOTHING];
    const line = `${label.padEnd(LABEL)}${before.padEnd(COLUMN)}${found}`;
    lines.push(remembered && before !== found ? paint('yellow', line) : line);
  }
  const { waiting, failed, conflicts, settled, entities } = counts;
  lines.push('', `The queue: ${waiting} waiting, ${failed} failed, ${conflicts} in conflict, ${settled} settled.`);
  lines.push(`Agreed with the cloud: ${count(entities, 'row')}.`, '');
  if (settings.outlet.id !== outlet.outlet_id) lines.push(`syncd.yaml says: outlet ${settings.outlet.id}.`);
  if (outlet.stopped_reason !== null) {
    // Mostly the same words as the verdict's.
    const told = verdict.kind !== 'fits' && outlet.stopped_reason.startsWith(verdict.reason);
    const why = told ? '' : `: ${outlet.stopped_reason}`;
    lines.push(...wrapped(`Stopped since ${at(Date.parse(outlet.stopped_at as string), settings)}${why}.`, WIDTH));
  }
  lines.push(...wrapped(looks(verdict), WIDTH));
  return lines.join('\n');
}

function looks(verdict: IdentityVerdict): string {
  if (verdict.kind !== 'fits') return `It looks ${LOOKS[verdict.kind]}: ${verdict.reason}.`;
  return verdict.why === 'first'
    ? 'No daemon has worked on it yet, so there is nothing to hold it against; the first one takes it as it is.'
    : 'This is the database that the outlet last worked on.';
}

const NOTHING = { lost: '-', damaged: '(damaged)' };
const LOOKS = { restored: 'restored', cloned: 'cloned', moved: 'moved', unknown: 'unclear' };

const at = (ms: number, { outlet }: Settings) => fullTime(new Date(ms).toISOString(), outlet.timezone);

export const CHOICES = `syncd adopt --as rollback   a backup was restored; safe also if you are not sure
syncd adopt --as move       the same data on another server; nothing is missing
syncd adopt --as clone      a copy that becomes another outlet, which syncd.yaml
                            names already`;

/** What it will mean, in honest words; asked before it is done, told after. */
export function consequences(as: AdoptAs, settings: Settings): string[] {
  return meaningOf(as, settings).flatMap((sentence) => wrapped(sentence, WIDTH));
}

function meaningOf(as: AdoptAs, settings: Settings): string[] {
  const entities = [...settings.entities];
  const of = (pulled: boolean) =>
    entities.filter(([, { direction }]) => (direction !== 'push') === pulled).map(([name]) => name);
  switch (as) {
    case 'rollback': {
      const [pulled, pushed] = [of(true), of(false)];
      return [
        'What waits in the queue goes again; what the cloud has already, it knows.',
        ...(pulled.length > 0
          ? [
              `The cloud's newer rows of ${pulled.join(', ')} come back. What the shop has changed since is a conflict as usual.`,
            ]
          : []),
        ...(pushed.length > 0
          ? [
              `Rows of ${pushed.join(', ')} that were sent after the backup was made are in the cloud alone: they are only pushed, so they do not come back, and nothing here shows them. A new row that gets the key of such a row, because a counter went back too, meets it there as a conflict.`,
            ]
          : []),
        'Any other copy of this outlet that still runs is refused by the cloud from now on.',
      ];
    }
    case 'move':
      return [
        'Everything goes on where it stood.',
        'A copy that was left behind and still runs is refused by the cloud from now on.',
      ];
    case 'clone':
      return [
        `This database becomes outlet ${settings.outlet.id}, with a new installation.`,
        'The queue, the agreements and the log of the outlet that was copied are put away in syncd.put_away.',
        'The rows that are in the tables now are sent only by: syncd backfill',
      ];
    default:
      return as satisfies never;
  }
}

/** @param seen before it was done */
export function adoptedScreen(
  { as, outlet_id, epoch, put_away }: Adopted,
  settings: Settings,
  { outlet: { remade } }: Inspection,
): string {
  const kept = as === 'clone' ? ` ${count(put_away, 'row')} put away.` : '';
  const lines = [`Outlet ${outlet_id} goes on with epoch ${epoch}.${kept}`, ...consequences(as, settings)];
  if (as === 'clone') lines.push('A daemon that runs for the old outlet ends: sudo systemctl restart syncd');
  if (remade)
    lines.push(`Its tables were made anew by the restore. What the cloud sends for them waits until: ${INSTALL}`);
  return lines.join('\n');
}
