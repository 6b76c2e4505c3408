/** How long the disk that PostgreSQL writes to will last, as the daemon reckons it. */

import { bytes } from '../../ops/disk-forecast.js';
import { diskFindings, diskWords } from '../../ops/status/table-findings.js';
import { fail, ok, skipped, type Unnamed, warn } from '../finding.js';
import type { Check } from '../patient.js';

const FULL = 'A full disk stops the till.';

export const disk: Check = {
  name: 'disk',
  needs: ['schema'],
  async look({ facts, settings }): Promise<Unnamed[]> {
    if (!facts) return [];
    if (!settings.disk) return [skipped('not watched: name a path under disk in syncd.yaml')];
    if (!facts.disk) return [skipped('not looked at yet: the daemon does so while it runs')];
    const { path, floorBytes, warnMs } = settings.disk;
    const { free_bytes } = facts.disk;
    if (free_bytes !== null && free_bytes < floorBytes)
      return [
        fail(
          `${path} has ${bytes(free_bytes)} left, less than its floor of ${bytes(floorBytes)}`,
          'Capture steps aside so that the till has room; what is sold meanwhile is looked for afterwards.',
          `sudo du -xh ${path} | sort -h | tail`,
        ),
      ];
    const [found] = diskFindings(facts, warnMs);
    if (found)
      return [
        warn(
          found.reason,
          FULL,
          facts.disk.problem === null ? `sudo du -xh ${path} | sort -h | tail` : 'syncd config   # disk.path',
        ),
      ];
    return [ok(diskWords(facts) ?? `${path} has room`)];
  },
};
