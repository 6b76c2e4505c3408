/** What the generator needs to know of one entity; made by the plan, free of anything read at run time. */

export type KeyColumn = {
  name: string;
  /** Dates and instants: their plain text follows DateStyle, their JSON form is ISO always. */
  iso: boolean;
  /** Integers and uuids: equal values have one text, so that rows pair up by the values, which costs less. */
  exact: boolean;
  /** How the key's index compares it, `OPERATOR(pg_catalog.=)`. */
  equals: string;
};

export type Recipe = {
  entity: string;
  keys: KeyColumn[];
  /** Columns that never leave the shop. */
  excluded: string[];
  /** The same by number in their table, so that one that is renamed stays at home too. */
  excludedAt?: { oid: string; table: string; numbers: number[] };
  /** Old values are kept beside new ones: what a three-way comparison starts from. */
  keepPrevious: boolean;
  /**
   * statement: one firing a statement, over its transition tables. row: one a row, where a statement on another table of the
   * same family changes rows here without firing this table's statement triggers.
   */
  level: 'statement' | 'row';
  /** The table, qualified, to read a row from once more, because the transition table's copy of it may be stale or incomplete. */
  rereadFrom: string | undefined;
  /**
   * Each row is read again, not only one in doubt. In a serializable transaction reading it locks a page of its key's index, and of
   * two sales that make neighbours one fails.
   */
  rereadAlways: boolean;
  /** Session settings that would change a value's text, pinned at every firing. */
  pins: Record<string, string>;
  notify: 'gate' | 'always' | 'never';
  onError: 'continue' | 'block';
  /** The failure counter, qualified. */
  failures: string;
};
