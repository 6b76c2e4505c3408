/** Numbers, spans, instants and money as the reader's language writes them, in the outlet's own time. Pure. */

export type Format = ReturnType<typeof createFormat>;

export type SpanWords = { s: string; min: string; h: string; d: string };

/** @param locale `id-ID` or `en-GB` @param timeZone the outlet's */
export function createFormat(locale: string, timeZone: string, words: SpanWords) {
  const number = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
  const share = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 1 });
  const rupiah = new Intl.NumberFormat(locale, {
    style: 'currency',
    currency: 'IDR',
    currencyDisplay: 'narrowSymbol',
    minimumFractionDigits: 0,
    maximumFractionDigits: 0,
  });
  const sen = new Intl.NumberFormat(locale, {
    style: 'currency',
    currency: 'IDR',
    currencyDisplay: 'narrowSymbol',
    minimumFractionDigits: 2,
    maximumFractionDigits: 20,
  });
  const dated = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(locale, { timeZone, ...options });
  const hours = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
  const [clock, seconds] = [dated(hours), dated({ ...hours, second: '2-digit' })];
  const [day, weekday] = [dated({ day: 'numeric', month: 'short' }), dated({ weekday: 'short', ...hours })];
  const full = dated({
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    ...hours,
    second: '2-digit',
  });
  const dayOf = dated({ year: 'numeric', month: '2-digit', day: '2-digit' });

  /** `8 s`, `12 min`, `2 h 5 min`: two units at most. */
  const span = (ms: number): string => {
    const s = Math.max(0, Math.round(ms / 1_000));
    if (s < 60) return `${number.format(s)} ${words.s}`;
    const min = Math.floor(s / 60);
    if (min < 60) return `${min} ${words.min}`;
    const h = Math.floor(min / 60);
    if (h < 24) return joined(`${h} ${words.h}`, min % 60, words.min);
    return joined(`${number.format(Math.floor(h / 24))} ${words.d}`, h % 24, words.h);
  };
  /** `14.02` today, `22 Nov 14.02` on another day. @param now epoch ms */
  const time = (at: string | number, now: number): string => {
    const then = new Date(at);
    if (Number.isNaN(then.getTime())) return '–';
    if (dayOf.format(then) === dayOf.format(now)) return clock.format(then);
    return `${day.format(then)} ${clock.format(then)}`;
  };
  const whole = (value: number | null | undefined) =>
    value === null || value === undefined ? '–' : number.format(value);
  return {
    locale,
    timeZone,
    number: whole,
    /** `100%` where nothing is missing, and only there. */
    percent: (rate: number | null) =>
      rate === null ? '–' : share.format(rate > 0 && rate < 1 ? Math.min(0.999, Math.max(0.001, rate)) : rate),
    span,
    time,
    timeOfDay: (at: string | number) => clock.format(new Date(at)),
    timeWithSeconds: (at: string | number) => seconds.format(new Date(at)),
    weekdayTime: (at: string | number) => weekday.format(new Date(at)),
    dayMonth: (at: string | number) => day.format(new Date(at)),
    /** Everything, for a tooltip. */
    instant: (at: string | number) => (Number.isNaN(new Date(at).getTime()) ? String(at) : full.format(new Date(at))),
    /** Whole milliseconds below a second, then seconds. */
    duration: (ms: number | null) =>
      ms === null
        ? '–'
        : ms < 1_000
          ? `${number.format(Math.round(ms))} ms`
          : `${number.format(ms / 1_000)} ${words.s}`,
    bytes: (bytes: number) =>
      bytes < 1_000
        ? `${number.format(bytes)} B`
        : bytes < 1_000_000
          ? `${number.format(bytes / 1_000)} kB`
          : bytes < 1_000_000_000
            ? `${number.format(bytes / 1_000_000)} MB`
            : `${number.format(bytes / 1_000_000_000)} GB`,
    /** Exact: from the digits as they were written; the text itself where they are none. */
    money: (digits: string) =>
      /^-?\d+(\.\d+)?$/.test(digits)
        ? (/\.\d*[1-9]/.test(digits) ? sen : rupiah).format(digits as `${number}`).replace(/\u00a0/g, '\u202f')
        : digits,
  };
}

function joined(first: string, rest: number, unit: string): string {
  return rest === 0 ? first : `${first} ${rest} ${unit}`;
}
