/**
 * What the daemon's own words add to a finding that the page has told in the reader's language: a name, a cause, a command.
 * Those words are English, so nothing is said in them that the page has said already. Pure.
 */
import type { Finding, StatusReport } from '../api/types.js';

export function additionTo({ topic, reason }: Finding, { findings, cloud, stopped }: StatusReport): string | undefined {
  switch (topic) {
    case 'daemon':
    case 'failed':
    case 'conflicts':
    case 'backlog':
      return undefined;
    case 'refused':
      return cloud.refused ?? undefined;
    case 'offline':
      return cloud.last_error ?? undefined;
    case 'stopped':
      // A database of another outlet is told under this topic too, and may stand beside a stop.
      return findings.filter((one) => one.topic === topic).length > 1 ? reason : (stopped?.reason ?? reason);
    default:
      return reason;
  }
}
