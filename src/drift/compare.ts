/**
 * Compares a captured table as the last install left it with what the catalogue says now. Pure: two shapes in, findings in words
 * out. Both shapes come from one function of the database (syncd.table_shape), so they differ only where the table does.
 */
import { INSTALL } from '../errors.js';
import { columnFindings, keyFindings } from './columns.js';
import type { Finding } from './kinds.js';
import type { Observed, Shape, ShapeMember, ShapeTrigger, Surroundings } from './shape.js';

export function compare(seen: Observed, around: Surroundings): Finding[] {
  const { recorded, named, original, table } = seen;
  if (!recorded) return [outdated('it was installed before drift was watched')];
  if (!named && !original) return [gone(seen)];
  if (named && named.oid !== recorded.oid) return [recreated(seen, original, captures(recorded, named))];
  const now = (named ?? original) as Shape;
  const findings: Finding[] = [];
  if (!named) findings.push(renamed(seen, now));
  findings.push(...keyFindings(seen, recorded, now));
  if (seen.direction !== 'pull' && !seen.suspended) {
    findings.push(...triggerFindings(recorded, now), ...replicaFindings(now, around.replicas));
    if (seen.invoked) findings.push(invoked(table));
    if (seen.outrun) findings.push(outrun(table));
    findings.push(...lackingRights(seen));
  }
  if (seen.policed && (seen.direction !== 'push' || !recorded.policies)) findings.push(policies(seen));
  findings.push(...columnFindings(seen, recorded, now), ...configurationFindings(seen));
  if (seen.generator !== around.generator)
    findings.push(outdated(`the triggers of ${table} are of an older program, or of other capture settings`));
  return findings;
}

/** What befalls the cloud's changes; nothing where none come. */
const incoming = ({ direction }: Observed, words: string): string => (direction === 'push' ? '' : words);

function gone(seen: Observed): Finding {
  const { entity_type, table } = seen;
  return {
    kind: 'gone',
    what: `the table ${table} is gone`,
    means: `what was captured before still goes out${incoming(seen, ', what the cloud sends for it waits')}`,
    hint: `If it was meant: take ${entity_type} out of syncd.yaml, then: ${INSTALL}. If not: bring the table back, then: ${INSTALL}`,
  };
}

/** @param capturing it has the triggers of the one that was installed, as after the restore of a dump */
function recreated(seen: Observed, original: Shape | null, capturing: boolean): Finding {
  const { table, excluded } = seen;
  const old = original ? `the one that was captured is ${original.table} now` : 'the one that was captured is gone';
  // The triggers know the columns that stay at home by their places in the table that is gone, and here by their names alone.
  const open = excluded.length > 0 ? ', and until then an excluded column that gets another name is sent' : '';
  const means = capturing
    ? `it has the triggers that were installed (was a dump restored?), so what is written to it is captured; what went by before is looked for after the install${open}`
    : 'what is written to it is not captured';
  return {
    kind: 'recreated',
    what: `${table} is another table than the one that was installed (${old})`,
    means: `${means}${incoming(seen, ', what the cloud sends for it waits')}`,
    hint: INSTALL,
  };
}

/** Whether another table has every trigger that was installed, member by member of the same name, and no member without. */
function captures(recorded: Shape, now: Shape): boolean {
  const complete = recorded.members.every(({ table, triggers }) => {
    const found = now.members.find((member) => member.table === table);
    return found !== undefined && triggers.every((trigger) => faultOf(trigger, found) === undefined);
  });
  return complete && now.members.every(({ kind, triggers }) => kind === 'f' || triggers.length > 0);
}

function renamed(seen: Observed, now: Shape): Finding {
  const { entity_type, table, rereads } = seen;
  const means = rereads
    ? 'its triggers read its rows again by the old name, so what is changed there may not be captured'
    : 'it is captured as before';
  return {
    kind: 'renamed',
    what: `${table} is called ${now.table} now`,
    means: `${means}${incoming(seen, `, ${rereads ? 'and' : 'but'} what the cloud sends for it waits`)}`,
    hint: `Set entities.${entity_type}.table to ${now.table} in syncd.yaml, then: ${INSTALL}`,
  };
}

function triggerFindings(recorded: Shape, now: Shape): Finding[] {
  const findings: Finding[] = [];
  const finding = (kind: 'triggers' | 'partition' | 'child', what: string, means: string) =>
    findings.push({ kind, what, means, hint: INSTALL });
  if (!recorded.members.some(({ triggers }) => triggers.length > 0)) return findings;
  for (const member of recorded.members) {
    const found = now.members.find(({ oid }) => oid === member.oid);
    if (!found) {
      findings.push({
        kind: 'detached',
        what: `${member.table} is no part of ${now.table} any more`,
        means: 'its rows stay in the cloud as they are, and changes in it are not captured',
        hint: INSTALL,
      });
      continue;
    }
    const faults = member.triggers.flatMap((trigger) => faultOf(trigger, found) ?? []);
    if (faults.length > 0)
      finding('triggers', `on ${found.table} ${listed(faults)}`, 'what is changed there is not captured');
  }
  for (const parent of parentsMissed(recorded, now))
    finding('triggers', `${now.table} is a part of ${parent} now`, `what is written through ${parent} is not captured`);
  const known = new Set(recorded.members.map(({ oid }) => oid));
  for (const { oid, table, kind, partition, triggers } of now.members) {
    if (known.has(oid) || kind === 'f' || triggers.length > 0) continue;
    if (partition)
      finding(
        'partition',
        `the partition ${table} is new`,
        `what is written to it directly is not captured, what goes through ${now.table} is`,
      );
    else finding('child', `the table ${table} inherits from ${now.table} now`, 'what is written to it is not captured');
  }
  return findings;
}

/** New ones, through which rows are written without a statement trigger of this table; a row trigger fires whatever is named. */
function parentsMissed({ parents: before, members }: Shape, { parents = [] }: Shape): string[] {
  if (before === undefined || members.some(({ triggers }) => triggers.some(({ row }) => row))) return [];
  return parents.filter((parent) => !before.includes(parent));
}

/** `insert` as people know it from the trigger's name. */
function faultOf(trigger: ShapeTrigger, { triggers }: ShapeMember): string | undefined {
  const event = trigger.name.replace('!syncd ', '').toUpperCase();
  const found = triggers.find(({ name }) => name === trigger.name);
  if (!found) return `the trigger for ${event} is dropped`;
  if (found.fires === 'D') return `the trigger for ${event} is disabled`;
  if (found.fires === 'R') return `the trigger for ${event} fires for replication alone`;
  const same =
    found.function === trigger.function &&
    found.row === trigger.row &&
    found.body === trigger.body &&
    found.settings === trigger.settings;
  return same ? undefined : `the trigger for ${event} is not the one that was installed`;
}

function outrun(table: string): Finding {
  return {
    kind: 'triggers',
    what: `the rows of ${table} must be read again before they are sent, since a trigger, a cascade or a virtual column came`,
    means: 'what is sent may be older than the row, or lack a value',
    hint: INSTALL,
  };
}

function invoked(table: string): Finding {
  return {
    kind: 'triggers',
    what: `the trigger functions of ${table} run with the rights of whoever sells`,
    means: 'what is written by a role without rights in the schema syncd is not captured',
    hint: INSTALL,
  };
}

/** What somebody has revoked, or policies that came later. */
function lackingRights({ table, lacking, shutOut }: Observed): Finding[] {
  const owners = listed(shutOut);
  return [
    ...(lacking.length === 0
      ? []
      : [
          {
            kind: 'triggers' as const,
            what: `the triggers of ${table} may not ${listed(lacking)}`,
            means: 'what is changed there may go by uncaptured',
            hint: INSTALL,
          },
        ]),
    ...(shutOut.length === 0
      ? []
      : [
          {
            kind: 'outdated' as const,
            what: `${owners} may not execute the triggers of ${table}`,
            means: `it is captured as before, but ${owners} cannot make a partition of it`,
            hint: INSTALL,
          },
        ]),
  ];
}

function replicaFindings(now: Shape, replicas: readonly string[]): Finding[] {
  const deaf = now.members.some(({ triggers }) => triggers.some(({ fires }) => fires === 'O'));
  if (replicas.length === 0 || !deaf) return [];
  return [
    {
      kind: 'replica_role',
      what: `${listed([...replicas])} ${replicas.length === 1 ? 'has' : 'have'} session_replication_role = replica`,
      means: 'no trigger fires for what is written so, and it is not captured',
      hint: `As a superuser: ALTER ROLE (or DATABASE) … RESET session_replication_role; then: ${INSTALL}`,
    },
  ];
}

function policies({ table, direction }: Observed): Finding {
  return {
    kind: 'policies',
    what: `row-level security hides rows of ${table} from syncd`,
    means:
      direction === 'push'
        ? 'it is captured as before, but it cannot be compared with the cloud'
        : 'it is captured as before, but what the cloud sends for it waits',
    hint: 'As a superuser: ALTER ROLE syncd BYPASSRLS, or switch the policies of this table off',
  };
}

function configurationFindings({ configured, table, direction, excluded, keys }: Observed): Finding[] {
  if (!configured) return [];
  const differing = [
    ...(configured.table === table ? [] : ['table']),
    ...(configured.direction === direction ? [] : ['direction']),
    ...(configured.key === undefined || configured.key.join() === keys.join() ? [] : ['key']),
    ...(configured.excluded.every((name) => excluded.includes(name)) ? [] : ['exclude']),
  ];
  if (differing.length === 0) return [];
  return [
    {
      kind: 'configuration',
      what: `syncd.yaml says something else of ${listed(differing)} than what was installed for ${table}`,
      means: 'what was installed counts until then',
      hint: INSTALL,
    },
  ];
}

function outdated(what: string): Finding {
  return { kind: 'outdated', what, means: 'it is captured as before', hint: INSTALL };
}

/** `a, b and c`. */
function listed(parts: string[]): string {
  const last = parts.at(-1) ?? '';
  return parts.length > 1 ? `${parts.slice(0, -1).join(', ')} and ${last}` : last;
}
