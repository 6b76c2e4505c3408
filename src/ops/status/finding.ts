/** One thing that is wrong, as the verdict finds it. Pure. */

/** What a finding is about, so that a screen that has told it already need not repeat it. */
export type Topic =
  | 'daemon'
  | 'stopped'
  | 'refused'
  | 'failed'
  | 'capture'
  | 'offline'
  | 'pull'
  | 'parked'
  | 'conflicts'
  | 'drift'
  | 'truncated'
  | 'suspended'
  | 'compare'
  | 'differs'
  | 'disk'
  | 'configuration'
  | 'backlog';
export type Finding = { state: 'warning' | 'critical'; topic: Topic; reason: string };
