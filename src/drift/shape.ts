/** One captured table as drift is told by: what syncd.table_shape says of it, and what the installation and the configuration do. */
import type { Direction } from '../config/settings.js';

export type ShapeColumn = {
  number: number;
  name: string;
  type: string;
  /** The type and its modifier by their numbers, whatever it is called; missing in older records. */
  made?: string;
  /** The values of an enum by their numbers, also of one in an array or a domain; null: it is none. Missing in older records. */
  labels?: Record<string, string> | null;
  nullable: boolean;
  /** A new row has a value in it by itself. */
  given: boolean;
  /** Rows from before the column have a value in it that nobody has written; missing in older records. */
  filled?: boolean;
  /** Computed whenever it is read; missing in older records. */
  virtual?: boolean;
  /** The transaction that last altered it; missing in older records. */
  mark?: string;
};
export type ShapeTrigger = {
  name: string;
  /** pg_trigger.tgenabled: O as usual, A always, R only for replication, D never. */
  fires: 'O' | 'A' | 'R' | 'D';
  row: boolean;
  function: string;
  body: string;
  settings: string;
  /** The transaction that last altered it. */
  mark: string;
};
export type ShapeMember = {
  oid: string;
  table: string;
  kind: string;
  partition: boolean;
  triggers: ShapeTrigger[];
  file?: string;
};
export type Shape = {
  oid: string;
  table: string;
  policies: boolean;
  /** What it is a partition or an inheritance child of; missing in older records. */
  parents?: string[];
  columns: ShapeColumn[];
  /** Column numbers of every unique index that counts for all rows. */
  unique: number[][];
  /** Itself among them. */
  members: ShapeMember[];
};

/** What the configuration says of the entity where it says something else than the installation. */
export type Configured = {
  table: string;
  direction: Direction;
  excluded: string[];
  /** Undefined: the primary key, whichever that is. */
  key?: string[] | undefined;
};

export type Observed = {
  entity_type: string;
  direction: Direction;
  keys: string[];
  excluded: string[];
  /** Undefined where the configuration does not name the entity any more. */
  configured: Configured | undefined;
  /** Its name at install, as SQL writes it. */
  table: string;
  /** Null where an older program installed it. */
  recorded: Shape | null;
  generator: string | null;
  /** The table that has the name now. */
  named: Shape | null;
  /** The table that install saw, whatever it is called now. */
  original: Shape | null;
  /** Its triggers read its rows once more, by the name that it had at install. */
  rereads: boolean;
  /** They do not although they have to: a row of it may be changed once more, or not be computed yet, when they see it. */
  outrun: boolean;
  /** A policy hides rows from the daemon. */
  policed: boolean;
  /** Its trigger functions run with the rights of whoever sells, who has none in the schema syncd. */
  invoked: boolean;
  /** What its trigger functions need and may not do, in words that follow "may not". */
  lacking: string[];
  /** Owners of a partitioned table to whose new partitions its triggers could not be cloned. */
  shutOut: string[];
  /** A person, or a full disk, has made the triggers step aside. */
  suspended: boolean;
};

export type Surroundings = {
  /** How this program writes triggers. */
  generator: string;
  /** Who writes with session_replication_role = replica, by a setting of the role, the database or the server. */
  replicas: string[];
};
