/**
 * What a person chooses for a conflict, field by field, and what comes of it: the row as it will be, and the request that makes
 * it so. Where one side is taken whole, that side's strategy says it best; else only what is not the shop's own is named, so
 * that nothing overwrites what the shop has changed meanwhile. Pure.
 */
import { Digits, type Exact, parseExact, textOf } from '../api/exact.js';
import type { Conflict, Row } from '../api/types.js';

export type Side = 'shop' | 'cloud';
export type Pick = { from: Side } | { from: 'own'; text: string };
export type Picks = Readonly<Record<string, Pick>>;

export type Field = {
  name: string;
  differs: boolean;
  before: Exact | undefined;
  shop: Exact | undefined;
  cloud: Exact | undefined;
};

/** The differing ones first, in the API's order; then the others as the shop has them. */
export function fieldsOf({ fields, base, local, cloud }: Conflict): Field[] {
  const all = [...new Set([...fields, ...Object.keys(local ?? {}), ...Object.keys(cloud ?? {})])];
  return all.map((name) => {
    const [shop, clouds] = [valueIn(local, name), valueIn(cloud, name)];
    return {
      name,
      differs: fields.includes(name),
      before: base === null ? undefined : (valueIn(base, name) ?? shop),
      shop,
      cloud: clouds,
    };
  });
}

function valueIn(row: Row | null, name: string): Exact | undefined {
  return row !== null && Object.hasOwn(row, name) ? row[name] : undefined;
}

/** Both sides hold a row, and differ in more than a deletion: a choice by field makes sense. */
export function isByField({ local, cloud }: Conflict): boolean {
  return local !== null && cloud !== null;
}

/** Everything from one side, as far as it has it. */
export function allFrom(side: Side, fields: Field[]): Picks {
  return Object.fromEntries(
    fields.filter(({ differs }) => differs).map((field) => [field.name, { from: offered(field, side) }]),
  );
}

function offered(field: Field, side: Side): Side {
  return field[side] === undefined ? (side === 'shop' ? 'cloud' : 'shop') : side;
}

/** @returns undefined where a text of a person's own is no value for the column */
export function chosenValue(field: Field, pick: Pick): Exact | undefined {
  if (pick.from === 'own') return ownValue(field, pick.text);
  return field[pick.from];
}

/** What a person typed, as the kind of value that stands there now. */
function ownValue(field: Field, text: string): Exact {
  const samples = [field.shop, field.cloud, field.before].filter((value) => value !== undefined && value !== null);
  if (text.trim() === '' && samples.every((value) => typeof value !== 'string')) return null;
  if (samples.some((value) => typeof value === 'string')) return text;
  try {
    return parseExact(text.trim());
  } catch {
    return text;
  }
}

/** A value as a person would type it. */
export function typedText(value: Exact | undefined): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : textOf(value);
}

export type Request = { strategy: 'local_wins' | 'cloud_wins' } | { strategy: 'data'; data: Row };

export function requestFor(conflict: Conflict, picks: Picks): Request {
  const fields = fieldsOf(conflict).filter(({ differs }) => differs);
  const of = (field: Field): Pick => picks[field.name] ?? { from: 'shop' };
  if (fields.every((field) => of(field).from === 'shop' || field.cloud === undefined)) {
    if (fields.every((field) => of(field).from !== 'own')) return { strategy: 'local_wins' };
  }
  if (fields.every((field) => of(field).from === 'cloud' || (of(field).from === 'shop' && field.cloud === undefined)))
    return { strategy: 'cloud_wins' };
  const data: [string, Exact][] = fields.flatMap((field) => {
    const pick = of(field);
    const value = pick.from === 'shop' ? undefined : chosenValue(field, pick);
    return value === undefined ? [] : [[field.name, value]];
  });
  return { strategy: 'data', data: Object.fromEntries(data) };
}

/** The request's body; rows keep their digits. */
export function bodyOf(request: Request, reason: string | undefined): string {
  const members: [string, Exact][] = [['strategy', request.strategy]];
  if (request.strategy === 'data') members.push(['data', request.data]);
  if (reason !== undefined) members.push(['reason', reason]);
  return textOf(Object.fromEntries(members));
}

/** Whether two values are the same, digits and all; `1.0` and `1.00` are not. */
export function isSame(one: Exact | undefined, other: Exact | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  if (one instanceof Digits && other instanceof Digits) return one.text === other.text;
  return textOf(one) === textOf(other);
}

/** What a resolution threw away: values of either side that the result does not have. */
export function discardedIn({ local, cloud, result, fields }: Conflict): { name: string; side: Side; value: Exact }[] {
  return fields.flatMap((name) =>
    (['shop', 'cloud'] as const).flatMap((side) => {
      const value = valueIn(side === 'shop' ? local : cloud, name);
      return value === undefined || isSame(value, valueIn(result, name)) ? [] : [{ name, side, value }];
    }),
  );
}
