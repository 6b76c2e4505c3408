/**
 * What has become of a captured table's key and columns. Pure. Columns are followed by their number, so that a column that got
 * another name is told apart from one that went while another came.
 */
import { INSTALL } from '../errors.js';
import { looksSecret } from '../init/words.js';
import type { Finding } from './kinds.js';
import type { Observed, Shape, ShapeColumn } from './shape.js';

export function keyFindings(seen: Observed, recorded: Shape, now: Shape): Finding[] {
  const { entity_type, keys, table } = seen;
  const finding = (what: string): Finding => ({
    kind: 'key',
    what,
    means: 'its rows may not be the ones that the cloud knows by these names, so nothing of it is sent or applied',
    hint: `Bring the key back, or set entities.${entity_type}.key in syncd.yaml; then: ${INSTALL}`,
  });
  const named = keys.join(', ');
  const before = keys.map((key) => recorded.columns.find(({ name }) => name === key));
  const after = before.map((column) => now.columns.find(({ number }) => number === column?.number));
  const findings: Finding[] = [];
  for (const [place, column] of after.entries()) {
    const was = before[place];
    if (!was) continue;
    const label = column && relabelled(was, column);
    if (!column) findings.push(finding(`the key column ${was.name} of ${table} is gone`));
    else if (column.name !== was.name)
      findings.push(finding(`the key column ${was.name} of ${table} is called ${column.name} now`));
    else if (label)
      findings.push(finding(`the value ${label.was} of the key column ${was.name} of ${table} is ${label.is} now`));
    else if (!sameTexts(was, column))
      findings.push(finding(`the key column ${was.name} of ${table} was ${was.type} and is ${column.type} now`));
  }
  if (findings.length > 0) return findings;
  const numbers = before.flatMap((column) => column?.number ?? []);
  const unique = now.unique.some(
    (columns) => columns.length === numbers.length && numbers.every((number) => columns.includes(number)),
  );
  if (!unique) return [finding(`${table} has no unique index on its key (${named}) any more`)];
  const nullable = after.filter(
    (column) => column?.nullable && !before.find((was) => was?.name === column.name)?.nullable,
  );
  return nullable.length > 0 ? [finding(`the key column ${nullable[0]?.name} of ${table} may be null now`)] : [];
}

/**
 * Whether rows that nobody has written to since have another text now than when they were sent: a type was changed (perhaps USING
 * other values), a value of an enum or a column has another name, a column came with a value in it, or stays at home now or no longer does.
 */
export function rowsDiffer(recorded: Shape, now: Shape, stayed: readonly string[], stay: readonly string[]): boolean {
  return now.columns.some((column) => {
    const was = recorded.columns.find(({ number }) => number === column.number);
    const home = stay.includes(column.name);
    if (!was) return !home && (column.given || !column.nullable || column.filled === true);
    if (stayed.includes(was.name) !== home) return true;
    return !home && (column.name !== was.name || !sameTexts(was, column) || relabelled(was, column) !== undefined);
  });
}

const sameTexts = (was: ShapeColumn, now: ShapeColumn): boolean =>
  textFamily(was.type) === textFamily(now.type) || sameType(was, now);

/** It may have another name now, or be in another schema. */
const sameType = (was: ShapeColumn, now: ShapeColumn): boolean =>
  was.type === now.type || (was.made !== undefined && was.made === now.made);

/** A value of an enum that has another name now. One that came says nothing of the rows that are there. */
function relabelled(was: ShapeColumn, now: ShapeColumn): { was: string; is: string } | undefined {
  for (const [value, label] of Object.entries(was.labels ?? {})) {
    const is = now.labels?.[value];
    if (is !== undefined && is !== label) return { was: label, is };
  }
  return undefined;
}

/** Types whose values have the same text: widening such a key column renames no row. */
export function textFamily(type: string): string {
  if (/^(smallint|integer|bigint)$/.test(type)) return 'integer';
  if (/^(text|character varying(\(\d+\))?)$/.test(type)) return 'text';
  return type;
}

export function columnFindings(seen: Observed, recorded: Shape, now: Shape): Finding[] {
  const { entity_type, table, keys, direction, excluded, configured } = seen;
  const sentOnly = direction === 'push';
  // Install refuses a name that is none; the columns that are left out always stand in no file.
  const atHome = (name: string, change: string) =>
    configured?.excluded.includes(name)
      ? `${change} entities.${entity_type}.exclude in syncd.yaml, then: ${INSTALL}`
      : INSTALL;
  const findings: Finding[] = [];
  const finding = (kind: Finding['kind'], what: string, means: string, hint = INSTALL) =>
    findings.push({ kind, what, means, hint });
  for (const column of now.columns) {
    const was = recorded.columns.find(({ number }) => number === column.number);
    if (!was) {
      const what = `${table} has a new column ${column.name}`;
      if (!column.nullable && !column.given && !sentOnly)
        finding(
          'required',
          `${what}, which every row must have`,
          'it is sent from now on, but the cloud does not know it: what it sends for this table waits',
          `Give the column a default, or teach it to the cloud; then: ${INSTALL}`,
        );
      else if (looksSecret(column.name))
        finding(
          'columns',
          `${what}, which looks like a secret`,
          'it is sent to the cloud from now on',
          `Add ${column.name} to entities.${entity_type}.exclude in syncd.yaml, then: ${INSTALL}`,
        );
      else finding('columns', what, 'it is sent from now on; the cloud must know it');
      continue;
    }
    const label = relabelled(was, column);
    if (keys.includes(was.name)) {
      // The key has findings of its own.
    } else if (excluded.includes(was.name)) {
      if (was.name !== column.name)
        finding(
          'columns',
          `the excluded column ${was.name} of ${table} is called ${column.name} now`,
          'it stays in the shop as before',
          atHome(was.name, `Write ${column.name} in place of ${was.name} under`),
        );
      else if (!sameType(was, column))
        finding('columns', `the excluded column ${was.name} of ${table} is ${column.type} now`, 'it stays in the shop');
    } else if (was.name !== column.name) {
      finding(
        'column_renamed',
        `the column ${was.name} of ${table} is called ${column.name} now`,
        sentOnly
          ? 'it is sent by its new name; the cloud must know it'
          : 'it is sent by its new name; what the cloud sends waits until it knows that',
        `Once the cloud knows the new name: ${INSTALL}`,
      );
    } else if (label) {
      finding(
        'columns',
        `the value ${label.was} in the column ${column.name} of ${table} is ${label.is} now`,
        'it is sent so; rows that nobody writes to are in the cloud as they were',
      );
    } else if (!sameType(was, column)) {
      finding(
        'columns',
        `the column ${was.name} of ${table} was ${was.type} and is ${column.type} now`,
        'it is sent so',
      );
    }
  }
  for (const { number, name } of recorded.columns) {
    if (keys.includes(name) || now.columns.some((column) => column.number === number)) continue;
    if (excluded.includes(name)) {
      const what = `${table} has no excluded column ${name} any more`;
      finding('columns', what, 'nothing changes for the cloud', atHome(name, `Take ${name} out of`));
      continue;
    }
    finding(
      'columns',
      `${table} has no column ${name} any more`,
      'it is not sent any more; what the cloud sends in it is left out',
    );
  }
  return findings;
}
