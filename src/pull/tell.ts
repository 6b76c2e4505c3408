/** What the log says when pulling begins to stand differently; the throttle in the log keeps an outage from filling it. */
import type { Standing } from '../cloud/standing.js';
import type { Log } from '../log.js';

export function tellStanding(log: Log, standing: Standing): void {
  const told = { trouble: 'pull', error: 'reason' in standing ? standing.reason : undefined };
  switch (standing.kind) {
    case 'online':
      log.info('pulls are answered', { recovered: 'pull' });
      return;
    case 'offline':
      log.warn('pulls are not answered; changes of the cloud come later', told);
      return;
    case 'waiting':
      log.warn('the cloud asks to wait with the next pull', told);
      return;
    case 'refused':
      log.error('the cloud refuses to be pulled from; changes of the shop go on to it', told);
      return;
    case 'stopped':
    case 'trial':
    case 'unknown':
      return;
    default:
      standing satisfies never;
  }
}
