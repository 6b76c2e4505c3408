/** `/live` and `/ready`, for those who watch the machine: no token, nothing asked of the database, nothing told of the shop. */
import { monotonicMs } from '../time.js';
import { problem } from './problem.js';
import { type AdminDeps, json, type Route } from './route.js';

export function signRoutes({ vitals }: Pick<AdminDeps, 'vitals'>): Route[] {
  return [
    { method: 'GET', path: '/live', open: true, handle: async () => json(200, { live: true }) },
    {
      method: 'GET',
      path: '/ready',
      open: true,
      handle: async () => {
        const { ready, ...signs } = vitals.readiness(monotonicMs());
        if (ready) return json(200, { ready, ...signs });
        const stuck = Object.keys(signs.loops).filter((name) => !signs.loops[name]);
        const why = signs.database ? `no progress in ${stuck.join(', ')}` : 'the database is not reached';
        return problem('not-ready', why, { more: { ready, ...signs } });
      },
    },
  ];
}
