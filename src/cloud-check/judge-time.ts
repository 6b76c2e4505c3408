/** Holds the time that the cloud tells of an edit against when it was made. Pure; as judge-push. */

/** What a cloud that keeps less than microseconds may round off. */
const ROUNDED_MS = 1_000;

/**
 * @param changed_at an instant of `longAgo`
 * @returns what is wrong with the time that the cloud tells, in words
 */
export function otherTime(changed_at: string, told: unknown): string | undefined {
  if (Math.abs(Date.parse(String(told)) - Date.parse(changed_at)) <= ROUNDED_MS) return undefined;
  return `an edit of ${changed_at}, pushed 40 days later, has updated_at ${JSON.stringify(told)}: it would win over edits that are newer`;
}
