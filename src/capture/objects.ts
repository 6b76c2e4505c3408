/** What a plan amounts to in the database: functions, triggers, a counter and a row of syncd.capture, each as SQL. Pure. */
import { captureFunction } from './generate.js';
import { grantedFor } from './granted.js';
import {
  type CaptureEvent,
  digest,
  EVENTS,
  failuresName,
  functionName,
  identifier,
  literal,
  NEW_ROWS,
  OLD_ROWS,
  qualified,
  SCHEMA,
  triggerName,
} from './names.js';
import type { EntityPlan } from './plan.js';
import type { Member } from './shape.js';

export type FunctionObject = {
  name: string;
  body: string;
  settings: string[];
  create: string;
  /** Besides its owner. */
  executors: string[];
};
export type TriggerObject = { member: Member; name: string; function: string; row: boolean; create: string };
export type EntityObjects = {
  plan: EntityPlan;
  /** Name without schema. */
  sequence: string;
  functions: FunctionObject[];
  triggers: TriggerObject[];
  /** Writes the row of syncd.capture. */
  record: string;
  triggerVersion: string;
};

export function objectsOf(plan: EntityPlan): EntityObjects {
  const functions: FunctionObject[] = [];
  const triggers: TriggerObject[] = [];
  for (const member of plan.members) {
    // Postgres itself clones a partitioned table's row triggers to its partitions, those to come included.
    const cloned = plan.recipe.level === 'row' && member.partition && member.depth > 0;
    for (const event of cloned ? (['truncate'] as const) : EVENTS) {
      const name = functionNameFor(plan, member, event);
      if (!functions.some((other) => other.name === name)) functions.push(functionObject(plan, member, event, name));
      triggers.push(triggerObject(plan, member, event, name));
    }
  }
  const triggerVersion = digest([...functions, ...triggers].map((object) => object.create).join('\n')).slice(0, 16);
  const sequence = failuresName(plan.entity);
  return {
    plan,
    sequence,
    functions,
    triggers,
    triggerVersion,
    record: recordOf(plan, sequence, functions, triggerVersion),
  };
}

/** Row triggers see each member's own columns and read back from it alone, so each member has its own function. */
function functionNameFor(plan: EntityPlan, member: Member, event: CaptureEvent): string {
  const name = functionName(plan.entity, event);
  if (plan.recipe.level === 'statement' || member.depth === 0 || event === 'truncate') return name;
  return `${name}_${digest(qualified(member.schema, member.name)).slice(0, 8)}`;
}

function functionObject(plan: EntityPlan, member: Member, event: CaptureEvent, name: string): FunctionObject {
  const { recipe } = plan;
  const only = recipe.level === 'row' && member.kind === 'r';
  const from = only ? `ONLY ${qualified(member.schema, member.name)}` : recipe.rereadFrom;
  const rereadFrom = recipe.rereadFrom === undefined ? undefined : from;
  const { body, settings } = captureFunction({ ...recipe, rereadFrom }, event);
  const sets = settings.map((setting) => {
    const [parameter = '', value = ''] = setting.split('=');
    return `\n  SET ${parameter} = ${value.split(', ').map(literal).join(', ')}`;
  });
  return {
    name,
    body,
    settings,
    // Whoever makes a partition of it is its owner, or acts as him.
    executors: recipe.level === 'row' && member.kind === 'p' && event !== 'truncate' ? [member.owner] : [],
    create: `CREATE OR REPLACE FUNCTION ${qualified(SCHEMA, name)}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER${sets.join('')}
AS ${dollarQuoted(body)}`,
  };
}

function triggerObject(plan: EntityPlan, member: Member, event: CaptureEvent, functionName: string): TriggerObject {
  const row = plan.recipe.level === 'row' && event !== 'truncate';
  const tables = [
    ...(event === 'update' || event === 'delete' ? [`OLD TABLE AS ${OLD_ROWS}`] : []),
    ...(event === 'update' || event === 'insert' ? [`NEW TABLE AS ${NEW_ROWS}`] : []),
  ];
  const referencing = row || event === 'truncate' ? '' : `\n  REFERENCING ${tables.join(' ')}`;
  const name = triggerName(event);
  return {
    member,
    name,
    row,
    function: functionName,
    create: `CREATE TRIGGER ${identifier(name)} AFTER ${event.toUpperCase()} ON ${qualified(member.schema, member.name)}${referencing}
  FOR EACH ${row ? 'ROW' : 'STATEMENT'} EXECUTE FUNCTION ${qualified(SCHEMA, functionName)}()`,
  };
}

function recordOf(plan: EntityPlan, sequence: string, functions: FunctionObject[], triggerVersion: string): string {
  const { recipe } = plan;
  const array = (names: string[]) => `ARRAY[${names.map(literal).join(', ')}]::text[]`;
  const values: [column: string, value: string][] = [
    ['entity_type', literal(plan.entity)],
    ['table_name', literal(plan.table)],
    ['direction', literal(plan.direction)],
    ['keys', array(recipe.keys.map((key) => key.name))],
    ['excluded', array(recipe.excluded)],
    ['coalesce', String(plan.coalesce)],
    ['keep_previous', String(recipe.keepPrevious)],
    ['fingerprint', literal(plan.fingerprint)],
    ['trigger_version', literal(triggerVersion)],
    ['failures', literal(qualified(SCHEMA, sequence))],
    ['granted', array(grantedFor(plan))],
    ['functions', array(functions.map((one) => one.name))],
  ];
  const columns = values.map(([column]) => column);
  return `INSERT INTO syncd.capture (${columns.join(', ')})
VALUES (${values.map(([, value]) => value).join(', ')})
ON CONFLICT (entity_type) DO UPDATE SET ${columns.map((column) => `${column} = excluded.${column}`).join(', ')}, installed_at = clock_timestamp()`;
}

/** The body between marks that it does not contain. */
function dollarQuoted(body: string): string {
  let mark = '$syncd$';
  for (let n = 1; body.includes(mark); n++) mark = `$syncd${n}$`;
  return `${mark}${body}${mark}`;
}
