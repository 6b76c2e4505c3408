/**
 * What is to become of a conflict, and the values to be written for it. All of this is found out before the shop's row is locked, so
 * that a sale of that row waits for the writing alone; under the lock it holds good if nothing has moved meanwhile.
 */

import { Refusal } from '../apply/refusal.js';
import type { AppliedTable, TableColumn } from '../apply/tables.js';
import { columnsIn } from '../apply/write.js';
import type { Strategy } from '../config/settings.js';
import type { Db } from '../db/connect.js';
import { roundsInARow } from './brake.js';
import { givenRow } from './given.js';
import { cloudsColumns, mixture } from './put-row.js';
import { type Conflict, lookAtSides, type Sides } from './sides.js';
import type { Standing } from './standing.js';
import { type Choice, choose } from './strategy.js';

/** What is to be done: what the conflict says by itself, what a person names, or values that a person gives. */
export type Wish =
  | { kind: 'automatic'; longestWaitMs: number }
  | { kind: 'strategy'; strategy: Strategy }
  | { kind: 'data'; text: string };

/** `blind`: a person keeps the shop's side against a row of the cloud's that does not fit the table, so nobody can compare them. */
export type Requested = { wish: Wish; who: string; reason: string | null; blind?: true };

/** `untold`: the cloud says that it has a row, and did not send it. */
export type Question = { table: AppliedTable; conflict: Conflict; untold: boolean; requested: Requested };

export type Plan = {
  standing: Standing;
  sides: Sides;
  choice: Choice | GivenChoice;
  write: Write;
  /** Every unsettled change by its name on the wire, and what these supersede. */
  names: string[];
  /** See brake. */
  rounds: number;
};

type GivenChoice = { keep: 'given'; reason: string };

/** What is to be done to the shop's row. */
export type Write = { kind: 'none' } | { kind: 'drop' } | { kind: 'put'; data: string; columns: TableColumn[] };

/** @throws Refusal; class 22 where the cloud's row does not fit the table */
export async function planFor(trx: Db, question: Question, standing: Standing): Promise<Plan> {
  const { table, conflict, untold, requested } = question;
  const { wish } = requested;
  const sides = await lookAtSides(trx, table, conflict, standing);
  const choice = untold ? withoutTheCloudsRow(wish) : decideOn(table, conflict, sides, wish);
  const names = standing.changes.flatMap(({ change_id, supersedes }) => [change_id, ...(supersedes ?? [])]);
  return {
    standing,
    sides,
    choice,
    write: await writeFor(trx, table, await dataFor(trx, question, standing, sides, choice)),
    names: [...new Set(names)],
    rounds: wish.kind === 'automatic' ? await roundsInARow(trx, conflict, names) : 0,
  };
}

/** A rule must not overwrite what nobody has seen; a person may. */
function withoutTheCloudsRow(wish: Wish): Choice {
  if (wish.kind === 'strategy' && wish.strategy === 'local_wins')
    return { keep: 'local', by: wish.strategy, reason: "the shop's side wins over a row that cannot be looked at" };
  return { keep: 'open', reason: 'the cloud did not send its row' };
}

function decideOn(table: AppliedTable, conflict: Conflict, sides: Sides, wish: Wish): Choice | GivenChoice {
  if (wish.kind === 'data') return { keep: 'given', reason: 'the values given' };
  const strategy = wish.kind === 'strategy' ? wish.strategy : (conflict.strategy as Strategy);
  return choose(strategy, table.merge_fallback, sides.divergence, wish.kind === 'strategy');
}

/** @returns the data to lay over the row; null: the row is to go; undefined: it stays as it is */
async function dataFor(
  trx: Db,
  { table, conflict, requested: { wish } }: Question,
  standing: Standing,
  { divergence, columns }: Sides,
  choice: Choice | GivenChoice,
): Promise<string | null | undefined> {
  switch (choice.keep) {
    case 'open':
    case 'equal':
    case 'local':
      return undefined;
    case 'given':
      return givenRow(trx, table, conflict, standing.live, wish.kind === 'data' ? wish.text : '');
    case 'merged': {
      const take = divergence.merge.kind === 'merged' ? divergence.merge.take : [];
      const differing = new Set(columns.filter(({ equal }) => !equal).map(({ name }) => name));
      const changing = take.filter(({ name, from }) => from === 'sum' || (from === 'cloud' && differing.has(name)));
      return changing.length === 0 ? undefined : mixture(trx, table, conflict, standing, changing);
    }
    case 'cloud':
      if (conflict.cloud === null || standing.live === undefined) return conflict.cloud;
      return mixture(trx, table, conflict, standing, cloudsColumns(columns));
    default:
      return choice satisfies never;
  }
}

async function writeFor(trx: Db, table: AppliedTable, data: string | null | undefined): Promise<Write> {
  if (data === undefined) return { kind: 'none' };
  if (table.direction === 'push') {
    throw new Refusal(`${table.entity} is only pushed: its rows in the shop are not written`, 'Choose local_wins.');
  }
  if (data === null) return { kind: 'drop' };
  return { kind: 'put', data, columns: await columnsIn(trx, table, data) };
}
