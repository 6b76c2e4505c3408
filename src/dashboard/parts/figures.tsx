/** The day in figures. Their places are held while nothing is known, so that nothing moves when it is. */
import { useWords } from '../i18n/words.js';
import { live } from '../state/live.js';
import { useStore } from '../state/store.js';

export function Figures() {
  const { t, f } = useWords();
  const status = useStore(live, (now) => now.status);
  const shown: [label: string, value: string, alarm?: boolean][] = [
    [t.figures.captured, f.number(status?.today.captured)],
    [t.figures.pushed, f.number(status?.today.pushed)],
    [t.figures.pulled, f.number(status?.today.pulled)],
    [t.figures.waiting, f.number(status?.pending)],
    [t.figures.failed, f.number(status?.failed), (status?.failed ?? 0) > 0],
    [t.figures.conflicts, f.number(status?.conflicts), (status?.conflicts ?? 0) > 0],
    [t.figures.success, f.percent(status?.success_rate ?? null)],
    [t.figures.duration, f.duration(status?.average_sync_duration_ms ?? null)],
  ];
  return (
    <section class="card" aria-labelledby="figures">
      <h2 id="figures">{t.figures.title}</h2>
      <dl class="figures">
        {shown.map(([label, value, alarm]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd class={alarm ? 'alarm' : undefined}>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
