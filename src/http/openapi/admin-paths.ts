/** The routes of the admin port, as OpenAPI describes them; a test holds the list against the routes that there are. */

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const json = (schema: object) => ({ 'application/json': { schema } });
const parameter = (
  name: string,
  place: 'query' | 'path',
  description: string,
  schema: object = { type: 'string' },
) => ({
  name,
  in: place,
  description,
  schema,
  ...(place === 'path' && { required: true }),
});

const PROBLEM = {
  description: 'What is wrong, and what to do',
  content: { 'application/problem+json': { schema: ref('Problem') } },
};
const REFUSED = { '401': PROBLEM, '403': PROBLEM, '429': PROBLEM, '503': PROBLEM };

type More = { parameters?: object[]; body?: object; status?: string; type?: string; open?: true };

function operation(summary: string, schema: object, more: More = {}) {
  const { parameters, body, status = '200', type, open } = more;
  return {
    tags: ['admin'],
    summary,
    security: open ? [] : [{ bearer: [] }],
    ...(parameters && { parameters }),
    ...(body && { requestBody: { required: false, content: json(body) } }),
    responses: {
      [status]: { description: summary, content: type ? { [type]: { schema } } : json(schema) },
      ...(open ? {} : { ...REFUSED, '400': PROBLEM }),
    },
  };
}

const get = (summary: string, schema: string | object, more?: More) => ({
  get: operation(summary, typeof schema === 'string' ? ref(schema) : schema, more),
});
const post = (summary: string, schema: string, body: Record<string, object> = {}, more?: More) => ({
  post: operation(summary, ref(schema), {
    body: { type: 'object', properties: body, additionalProperties: false },
    ...more,
  }),
});

const STRING = { type: 'string' };
const REASON = { reason: { ...STRING, description: 'Kept with who did it' } };
const WAIT = {
  wait: { ...STRING, description: 'How long to wait for what comes of it, up to 30s', examples: ['10s'] },
};
const STRATEGY = { enum: ['cloud_wins', 'local_wins', 'newest_wins', 'merge'] };
const ID = parameter('id', 'path', 'The id that the list shows');
const ENTITY = [
  parameter('type', 'path', 'The entity type'),
  parameter('id', 'path', 'The primary key as text, percent-encoded; a composite key is a JSON array of texts'),
];
const LIST = [
  parameter('status', 'query', 'Only these'),
  parameter('entity', 'query', 'TYPE or TYPE/ID'),
  parameter('since', 'query', 'A span back, 2h say, or an instant'),
  parameter('limit', 'query', 'At most 500', { type: 'integer', minimum: 1, maximum: 500 }),
  parameter('cursor', 'query', 'next_cursor of the page before'),
];
const SPAN = parameter('span', 'query', 'How far back: 1h, 24h, 7d');

const sync = '/api/v1/sync';
export const ADMIN_PATHS: Record<string, object> = {
  [`${sync}/status`]: get('Are all sales in the cloud? As syncd status --json', 'Status'),
  [`${sync}/self`]: get('What this token may do, and whose outlet this is', 'Anything'),
  [`${sync}/trigger`]: post('Sync now', 'Anything', WAIT),
  [`${sync}/pause`]: post('Stop sending; capture goes on', 'Anything', REASON),
  [`${sync}/resume`]: post('Send again', 'Anything', REASON),
  [`${sync}/queue`]: get('What is not in the cloud yet, the oldest first', 'QueuePage', { parameters: LIST }),
  [`${sync}/retry`]: post('Try all failed changes again', 'Done'),
  [`${sync}/retry/{id}`]: post('Try one again', 'Anything', {}, { parameters: [ID] }),
  [`${sync}/discard/{id}`]: post('Give one up', 'Anything', REASON, { parameters: [ID] }),
  [`${sync}/logs`]: get('The exchanges with the cloud, the newest first', 'LogPage', { parameters: LIST }),
  [`${sync}/conflicts`]: get('Open conflicts, the oldest first', 'ConflictPage', { parameters: LIST }),
  [`${sync}/conflicts/{id}`]: get('One conflict', 'Conflict', { parameters: [ID] }),
  [`${sync}/resolve`]: post('End many conflicts by one strategy', 'Done', {
    ids: { type: 'array', items: STRING, maxItems: 100 },
    strategy: STRATEGY,
    ...REASON,
  }),
  [`${sync}/resolve/{id}`]: post(
    'End one conflict by a strategy, or with a row',
    'Anything',
    { strategy: { enum: [...STRATEGY.enum, 'data'] }, data: { type: 'object' }, ...REASON },
    { parameters: [ID] },
  ),
  [`${sync}/inbox`]: get('What of the cloud cannot be applied', 'InboxPage', { parameters: LIST }),
  [`${sync}/inbox/retry`]: post('Try all of it again', 'Done'),
  [`${sync}/inbox/retry/{id}`]: post('Try one again', 'Anything', {}, { parameters: [ID] }),
  [`${sync}/inbox/drop/{id}`]: post('Drop one', 'Anything', REASON, { parameters: [ID] }),
  [`${sync}/entities/{type}/{id}`]: get(
    'One entity: versions, status, its queue, its log, its conflicts',
    'EntityView',
    {
      parameters: ENTITY,
    },
  ),
  [`${sync}/entities/{type}/{id}/history`]: get('What was sent of it and what was answered, row by row', 'Anything', {
    parameters: ENTITY,
  }),
  [`${sync}/entities/{type}/{id}/push`]: post('Send it as it is now', 'Anything', WAIT, {
    parameters: ENTITY,
    status: '202',
  }),
  [`${sync}/entities/{type}/{id}/pull`]: post("Fetch the cloud's", 'Anything', WAIT, {
    parameters: ENTITY,
    status: '202',
  }),
  [`${sync}/events`]: get('What changes, as it changes', STRING, { type: 'text/event-stream' }),
  [`${sync}/samples`]: get('Figures by the minute, for charts: one list for each figure', 'Anything', {
    parameters: [SPAN, parameter('step', 'query', 'What is put together to one point: 1m, 5m, 1h')],
  }),
  [`${sync}/outages`]: get('Outages, what waited and how fast it drained', 'Anything', { parameters: [SPAN] }),
  [`${sync}/capture`]: get('The captured tables and how they do', 'Anything'),
  [`${sync}/doctor`]: get('Every finding of syncd doctor', {
    type: 'object',
    required: ['findings'],
    properties: { findings: { type: 'array', items: ref('DoctorFinding') } },
  }),
  '/live': get('The process lives', 'Anything', { open: true }),
  '/ready': get('It works on the database; a cloud that is away does not matter', 'Anything', { open: true }),
  '/metrics': get('For Prometheus', STRING, { type: 'text/plain' }),
  '/openapi.json': get('This document', 'Anything'),
};
