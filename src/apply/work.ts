/** What a chunk is made of. */
import type { Incoming } from './incoming.js';
import type { AppliedTable } from './tables.js';

/** The newest change of one entity, with its table and the columns that its data brings, names between line ends. */
export type Work = { incoming: Incoming; table: AppliedTable; brought: string };
