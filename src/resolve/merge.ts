/**
 * The three-way merge of one row, column by column. Pure: it sees the columns' names and what Postgres found when it compared
 * their values, never a value. The base of a column is its earliest unsettled old value; a column without one was not changed in
 * the shop, so its base is what the row holds.
 */

/** How a column is treated; `local` ones belong to the shop, changes of `delta` ones add up. */
export type ColumnKind = 'plain' | 'delta' | 'local';

export type ColumnFacts = {
  name: string;
  kind: ColumnKind;
  /** The cloud's row has the column. */
  at_cloud: boolean;
  /** The base is known; it is not where the shop made the row itself or keeps no old values. */
  based: boolean;
  /** The shop's value differs from the base; true where the base is not known. */
  local_changed: boolean;
  /** The cloud's value differs from the base; true where the base is not known. */
  cloud_changed: boolean;
  /** Both sides hold the same value. */
  equal: boolean;
  /** Base and both sides hold a number. */
  numeric: boolean;
  /** A change of the shop's was given up without a clear answer: the cloud's value may have it in it already, or not. */
  in_doubt: boolean;
};

/** `sum`: the cloud's value and what the shop added to the base, or took from it. */
export type Source = 'local' | 'cloud' | 'sum';

export type Merge =
  | { kind: 'merged'; take: { name: string; from: Source }[]; reason: string }
  /** `in_doubt`: though both sides may hold the same. */
  | { kind: 'clash'; columns: string[]; reason: string; in_doubt?: true };

/** Says of each column where its value comes from; one for which nobody can say makes a clash of the whole row. */
export function mergeColumns(columns: readonly ColumnFacts[]): Merge {
  const take: { name: string; from: Source }[] = [];
  const clashes: ColumnFacts[] = [];
  for (const column of columns) {
    const from = sourceOf(column);
    if (from) take.push({ name: column.name, from });
    else clashes.push(column);
  }
  if (clashes.length > 0) {
    const names = clashes.map(({ name }) => name);
    const list = names.join(', ');
    if (!clashes.some((column) => column.in_doubt))
      return { kind: 'clash', columns: names, reason: `both sides changed ${list}` };
    const reason = `whether the cloud has the shop's change of ${list} already is not known`;
    return { kind: 'clash', columns: names, reason, in_doubt: true };
  }
  return { kind: 'merged', take, reason: reasonOf(columns, take) };
}

/** Undefined: both sides changed it, each to a value of its own. */
function sourceOf(column: ColumnFacts): Source | undefined {
  if (column.kind === 'local' || !column.at_cloud) return 'local';
  // Were it added up, or taken for unsent, it might count twice; and two numbers may be the same without being one sale.
  if (column.in_doubt && column.local_changed && !(column.equal && column.kind === 'plain')) return undefined;
  // Before equality: two sides that sold two each from ten both hold eight, and six are left.
  const added = column.kind === 'delta' && column.based && column.numeric;
  if (added && column.local_changed && column.cloud_changed) return 'sum';
  if (column.equal || (column.based && !column.local_changed)) return 'cloud';
  return column.based && !column.cloud_changed ? 'local' : undefined;
}

function reasonOf(columns: readonly ColumnFacts[], take: readonly { name: string; from: Source }[]): string {
  const differing = take.filter((_, place) => {
    const column = columns[place] as ColumnFacts;
    return column.kind !== 'local' && column.at_cloud && (!column.equal || take[place]?.from === 'sum');
  });
  const named = (from: Source) => differing.filter((one) => one.from === from).map((one) => one.name);
  const parts = [
    ["the shop's", named('local')],
    ["the cloud's", named('cloud')],
    ['added up', named('sum')],
  ] as const;
  const told = parts.filter(([, names]) => names.length > 0).map(([whose, names]) => `${whose} ${names.join(', ')}`);
  return told.length === 0 ? 'both sides hold the same' : told.join('; ');
}
