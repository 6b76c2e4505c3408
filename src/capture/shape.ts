/** What a table looks like to capture: the facts that the plan is made from, as `introspect` read them from the catalogue. */

/** A type that a column's value is finally written with: what is left of domains, arrays, ranges and composites. */
export type Part = {
  schema: string;
  name: string;
  /** b base, e enum, … as in pg_type.typtype. */
  kind: string;
  /** Below this number the type comes with PostgreSQL itself. */
  builtin: boolean;
  /** Written by the type's own output function inside a longer text, not by the JSON writer. */
  inText: boolean;
  /** JSON is made of it by a cast, and so has another form than the text that it is read from: hstore. */
  castToJson: boolean;
};

export type Column = {
  name: string;
  number: number;
  /** As people write it: `numeric(12,2)`. */
  type: string;
  notNull: boolean;
  generated: '' | 's' | 'v';
  /** Arrays, ranges and composites are not: one text cannot name them safely. */
  scalar: boolean;
  parts: Part[];
};

export type UniqueIndex = {
  name: string;
  primary: boolean;
  /** Neither partial nor on expressions, valid, and checked at once. */
  usable: boolean;
  columns: string[];
  /** The equality operator of each column, qualified: what the index itself compares with. */
  operators: string[];
};

export type Member = {
  schema: string;
  name: string;
  oid: string;
  /** r table, p partitioned, f foreign … as in pg_class.relkind. */
  kind: string;
  /** 0 is the table itself. */
  depth: number;
  partition: boolean;
  owner: string;
  mayTrigger: boolean;
  /** By the connected role, or one that it acts as. */
  owned: boolean;
};

/** A table that is written, and the sequences that its defaults draw from. */
export type Written = {
  schema: string;
  name: string;
  oid: string;
  sequences: { schema: string; name: string; oid: string }[];
};

export type TableShape = {
  schema: string;
  name: string;
  oid: string;
  kind: string;
  /** `p` for permanent, `u` for unlogged, `t` for temporary. */
  persistence: string;
  partition: boolean;
  /** Tables that this one is a partition or an inheritance child of, as oids. */
  parents: string[];
  rowSecurity: boolean;
  columns: Column[];
  /** What inheritance children have beside these: their rows are captured whole. */
  columnsOfChildren: Column[];
  /** Where the types of its columns stand, but for PostgreSQL's own. */
  typeSchemas: string[];
  indexes: UniqueIndex[];
  /** Of INSERT, UPDATE and DELETE, by name. */
  rules: string[];
  /** A trigger of the POS, or a cascade, may change a row once more before it is captured. */
  changedInBetween: boolean;
  /** Itself first, then everything below it. */
  members: Member[];
};
