/** Numbers, spans and instants as people say them. Pure: the instant it is now comes with the call. */

const DAY_MS = 86_400_000;

/** What no resume changes. */
export const SWITCHED_OFF = 'sync.enabled is false in the configuration';

/** `1 change`, `1,204 changes`. */
export function count(number: number, noun: string): string {
  return `${number.toLocaleString('en-GB')} ${noun}${number === 1 ? '' : 's'}`;
}

/** `8 s`, `12 min`, `2 h 5 min`, `3 d 4 h`: two units at most, and the second only where it matters. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return joined(`${hours} h`, minutes % 60, 'min');
  return joined(`${Math.floor(hours / 24)} d`, hours % 24, 'h');
}

function joined(first: string, rest: number, unit: string): string {
  return rest === 0 ? first : `${first} ${rest} ${unit}`;
}

/** `22:28` today, `Fri 20 Nov 22:28` on another day, with the year where it is another one. Times in `timezone`. */
export function localTime(at: string, now: string, timezone: string, locale = 'en-GB'): string {
  const [then, today] = [parts(at, timezone, locale), parts(now, timezone, locale)];
  const time = `${then.hour}:${then.minute}`;
  if (then.year === today.year && then.month === today.month && then.day === today.day) return time;
  return `${then.weekday} ${then.day} ${then.month}${then.year === today.year ? '' : ` ${then.year}`} ${time}`;
}

/** `Sun 22 Nov 2026, 22:40:11`. */
export function fullTime(at: string, timezone: string): string {
  const { weekday, day, month, year, hour, minute, second } = parts(at, timezone);
  return `${weekday} ${day} ${month} ${year}, ${hour}:${minute}:${second}`;
}

function parts(at: string, timeZone: string, locale = 'en-GB'): Record<string, string> {
  const format = new Intl.DateTimeFormat(locale, {
    timeZone,
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  });
  return Object.fromEntries(format.formatToParts(new Date(at)).map(({ type, value }) => [type, value]));
}

/** `12 min ago`, `in 8 s`, `just now`, `in a moment`. */
export function relative(at: string, now: string): string {
  const ms = Date.parse(now) - Date.parse(at);
  if (Math.abs(ms) < 1000) return ms < 0 ? 'in a moment' : 'just now';
  // A clock that was wrong when the row was written makes instants that mean nothing.
  if (Math.abs(ms) > 3650 * DAY_MS) return 'by a wrong clock';
  return ms > 0 ? `${age(ms)} ago` : `in ${age(-ms)}`;
}

/** The part of a whole to four digits, null of nothing: 1 and 0 are for all and none alone, also of a million. */
export function share(part: number, whole: number): number | null {
  if (whole === 0) return null;
  const rounded = Math.round((part / whole) * 10_000) / 10_000;
  return part > 0 && part < whole ? Math.min(0.9999, Math.max(0.0001, rounded)) : rounded;
}

/** `99.8 %`; never 100 where something is missing, never 0 where something is there. */
export function percent(rate: number): string {
  const value = rate * 100;
  if (value > 99.9 && value < 100) return '99.9 %';
  if (value > 0 && value < 0.1) return '0.1 %';
  return `${value.toFixed(value === Math.round(value) ? 0 : 1)} %`;
}

/** The text on lines of at most `width`, cut at blanks. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of oneLine(text).split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return line === '' ? lines : [...lines, line];
}

/** Cut to `width` with an ellipsis. */
export function shortened(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(1, width - 1))}…`;
}

/** Words of the cloud's may hold anything; a terminal gets one line without control characters. */
export function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();
}
