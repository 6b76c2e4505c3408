/** Edits of long ago that are pushed only now, as after an outage of weeks: whatever stamps them with its own clock is found. */

const OLD_MS = 40 * 86_400_000;
/** What a cloud that keeps less than microseconds may round off. */
const ROUNDED_MS = 1_000;

/** An instant of 40 days ago. */
export function longAgo(): string {
  return new Date(Date.now() - OLD_MS).toISOString();
}

/** @returns what is wrong with the time that the cloud tells of such an edit, in words */
export function otherTime(changed_at: string, told: unknown): string | undefined {
  if (Math.abs(Date.parse(String(told)) - Date.parse(changed_at)) <= ROUNDED_MS) return undefined;
  return `an edit of ${changed_at}, pushed 40 days later, has updated_at ${JSON.stringify(told)}: it would win over edits that are newer`;
}
