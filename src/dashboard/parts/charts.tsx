/** The traffic of the last hour, day or week in charts, with the same figures as a table for whoever does not see them. */
import { useMemo, useState } from 'preact/hooks';
import { get } from '../api/client.js';
import type { Outage, SampleColumns } from '../api/types.js';
import { useWords } from '../i18n/words.js';
import { serverNow } from '../state/live.js';
import { useLoad } from '../state/load.js';
import { RANGES, type Range, type Series, seriesOf, shadesOf } from '../state/series.js';
import { useNow } from '../state/timers.js';
import { Chart } from './chart.js';
import { TroubleNotice } from './notice.js';

const MINUTE_MS = 60_000;
/** Rows of the table: the steps are put together until there are no more. */
const MOST_ROWS = 24;

export function Charts({ outages }: { outages: Outage[] }) {
  const { t } = useWords();
  const [range, setRange] = useState<Range>('hour');
  const minute = Math.floor(useNow(10_000) / MINUTE_MS);
  const { span, step } = RANGES[range];
  const { value, trouble, again } = useLoad(
    (signal) => get<SampleColumns>(`/samples?span=${span}&step=${step}`, signal),
    `samples ${range}`,
    minute,
  );
  const series = useMemo(() => value && seriesOf(value, range, serverNow()), [value, range]);
  const shades = useMemo(() => shadesOf(outages, range, serverNow()), [outages, range, series]);
  return (
    <section class="card charts" aria-labelledby="charts">
      <div class="card-head">
        <h2 id="charts">{t.charts.title}</h2>
        <fieldset class="tabs">
          <legend class="sr">{t.charts.range}</legend>
          {(['hour', 'day', 'week'] as const).map((one) => (
            <button key={one} type="button" aria-pressed={one === range} onClick={() => setRange(one)}>
              {t.charts.ranges[one]}
            </button>
          ))}
        </fieldset>
      </div>
      {trouble && !value && <TroubleNotice trouble={trouble} again={again} />}
      <div class="chart-grid">{series && <Three series={series} range={range} shades={shades} />}</div>
      {value?.minute.length === 0 && <p class="soft small">{t.charts.empty}</p>}
      {series && (
        <details>
          <summary>{t.charts.table}</summary>
          <FigureTable series={series} range={range} />
        </details>
      )}
    </section>
  );
}

type ThreeProps = { series: Series; range: Range; shades: [number, number][] };

function Three({ series, range, shades }: ThreeProps) {
  const { t, f } = useWords();
  const { at, captured, pushed, pulled, depth, push, totals } = series;
  const number = (n: number) => f.number(Math.round(n * 10) / 10);
  const summary = t.charts.summary(
    f.number(totals.captured),
    f.number(totals.pushed),
    f.number(totals.pulled),
    f.number(totals.deepest),
  );
  const shared = { range, at, shades, summary };
  return (
    <>
      <Chart
        {...shared}
        title={t.charts.flow}
        show={number}
        lines={[
          { label: t.charts.captured, colour: 'captured', dash: [2, 3], points: captured },
          { label: t.charts.pushed, colour: 'pushed', points: pushed },
          { label: t.charts.pulled, colour: 'pulled', dash: [8, 4], points: pulled },
        ]}
      />
      <Chart
        {...shared}
        title={t.charts.depth}
        show={number}
        lines={[{ label: t.charts.waiting, colour: 'waiting', points: depth }]}
      />
      <Chart
        {...shared}
        title={t.charts.push}
        show={f.duration}
        lines={[{ label: t.charts.duration, colour: 'busy', points: push }]}
      />
    </>
  );
}

function FigureTable({ series, range }: { series: Series; range: Range }) {
  const { t, f } = useWords();
  const together = Math.ceil(series.at.length / MOST_ROWS);
  const rows = series.at.flatMap((at, place) =>
    place % together === 0 ? [{ at, from: place, to: place + together }] : [],
  );
  const stepMin = RANGES[range].stepMs / MINUTE_MS;
  const known = (points: (number | null)[], from: number, to: number) =>
    points.slice(from, to).filter((value): value is number => value !== null);
  const total = (points: (number | null)[], from: number, to: number) => {
    const values = known(points, from, to);
    return values.length === 0 ? '–' : f.number(Math.round(values.reduce((sum, value) => sum + value * stepMin, 0)));
  };
  return (
    <table class="figures-table">
      <caption class="sr">{t.charts.tableCaption}</caption>
      <thead>
        <tr>
          <th scope="col">{t.charts.time}</th>
          <th scope="col">{t.charts.captured}</th>
          <th scope="col">{t.charts.pushed}</th>
          <th scope="col">{t.charts.pulled}</th>
          <th scope="col">{t.charts.waiting}</th>
        </tr>
      </thead>
      <tbody>
        {rows.reverse().map(({ at, from, to }) => {
          const depths = known(series.depth, from, to);
          return (
            <tr key={at}>
              <th scope="row" class="nowrap">
                {range === 'week' ? f.weekdayTime(at * 1_000) : f.timeOfDay(at * 1_000)}
              </th>
              <td>{total(series.captured, from, to)}</td>
              <td>{total(series.pushed, from, to)}</td>
              <td>{total(series.pulled, from, to)}</td>
              <td>{depths.length === 0 ? '–' : f.number(Math.max(...depths))}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
