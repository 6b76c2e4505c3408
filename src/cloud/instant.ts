/** What counts as an instant on the wire. Pure; stricter than Date.parse, and nothing passes that PostgreSQL would refuse. */

const FORM =
  /^(\d{4})-(\d\d)-(\d\d)[Tt]([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(\.\d{1,30})?([Zz]|[+-](0\d|1[0-5]):[0-5]\d)$/;
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Whether the text is an RFC 3339 instant: of a day that exists, from the year 1 on, less than 16 hours from UTC. */
export function isInstant(text: string): boolean {
  const found = FORM.exec(text);
  if (!found) return false;
  const [year, month, day] = [Number(found[1]), Number(found[2]), Number(found[3])];
  const leap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return year > 0 && day > 0 && day <= (DAYS[month - 1] ?? 0) + (leap ? 1 : 0);
}
