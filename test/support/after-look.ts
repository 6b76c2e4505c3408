import type { KyselyPlugin } from 'kysely';

/** Does something when the connection has answered so many questions, before the last answer is heard. */
export function afterLook(nth: number, act: () => unknown): KyselyPlugin {
  let looks = 0;
  return {
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      if (++looks === nth) await act();
      return result;
    },
  };
}
