/** The endpoints that a cloud offers to its outlets, and the webhooks that it may send them, as OpenAPI describes them. */

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const content = (name: string) => ({ 'application/json': { schema: ref(name) } });
const answer = (description: string, name?: string) => ({ description, ...(name && { content: content(name) }) });
const path = (name: string, description: string) => ({
  name,
  in: 'path',
  required: true,
  description,
  schema: { type: 'string' },
});
const query = (name: string, description: string, schema: object) => ({ name, in: 'query', description, schema });

const OUTLET = [
  { name: 'X-Outlet-ID', in: 'header', required: true, schema: { type: 'string' } },
  { name: 'User-Agent', in: 'header', schema: { type: 'string', examples: ['syncd/1.0.0'] } },
];
/** A body of 1 KiB or more, where capabilities list it. */
const PACKED = { name: 'Content-Encoding', in: 'header', schema: { enum: ['gzip', 'br'] } };
const TYPE = path('type', 'The entity type, "order" say');
const ID = path('id', 'The primary key as text, percent-encoded; a composite key is a JSON array of texts');

const REFUSALS = {
  '401': answer(
    'The key is wrong: the outlet stops pushing, keeps queueing, and asks again on its retry schedule',
    'Refusal',
  ),
  '426': answer('The protocol is too old: the outlet stops', 'Refusal'),
  '429': answer('Retry-After (seconds or a date) is kept to, up to 30 min; without one as a time-out', 'Refusal'),
  '503': answer('As 429', 'Refusal'),
};

const operation = (summary: string, responses: object, more: object = {}) => ({
  tags: ['cloud'],
  summary,
  security: [{ apiKey: [] }],
  parameters: OUTLET,
  responses: { ...responses, ...REFUSALS },
  ...more,
});

const digestOperation = (summary: string, answered: string, schema: 'Digest' | 'DigestEntities') => ({
  post: operation(
    summary,
    {
      '200': answer(answered, `${schema}Answer`),
      '400': answer('The question is bad, or names a bucket twice', 'Refusal'),
      '404': answer('Capabilities say digest: false', 'Refusal'),
    },
    { parameters: [...OUTLET, PACKED], requestBody: { required: true, content: content(`${schema}Request`) } },
  ),
});

/** Relative to the URL in `cloud.url`. */
export const CLOUD_PATHS = {
  '/sync/push': {
    post: operation(
      'Changes of the outlet, in order; one result for each',
      {
        '200': answer('What became of each change', 'PushAnswer'),
        '400': answer('Something in the batch is bad: it is bisected until the change stands alone', 'Refusal'),
        '409': answer(
          'Code fork: another copy of this outlet pushes. The outlet stops until a person has decided',
          'Refusal',
        ),
        '413': answer('Too large: it is halved', 'Refusal'),
      },
      {
        parameters: [
          ...OUTLET,
          { name: 'Idempotency-Key', in: 'header', required: true, schema: { type: 'string', format: 'uuid' } },
          PACKED,
        ],
        requestBody: { required: true, content: content('PushRequest') },
      },
    ),
  },
  '/sync/changes': {
    get: operation(
      'What has changed since a cursor; with `wait` a long poll',
      {
        '200': answer('A page', 'Page'),
        '410': answer('The cursor is too old: the outlet begins again without one', 'Refusal'),
      },
      {
        parameters: [
          ...OUTLET,
          query('cursor', 'From the page before; the first call has none', { type: 'string' }),
          query('since', 'May go with the first call', { type: 'string', format: 'date-time' }),
          query('limit', 'Changes that the page may hold', { type: 'integer', minimum: 1 }),
          query('wait', 'Seconds that the answer may wait for something to come', {
            type: 'integer',
            minimum: 0,
            maximum: 55,
          }),
        ],
      },
    ),
  },
  '/sync/digest': digestOperation(
    'Which days of an entity type the cloud holds otherwise than the outlet',
    'The days that differ',
    'Digest',
  ),
  '/sync/digest/entities': digestOperation(
    'What the cloud holds of one such day',
    'Every entity of it',
    'DigestEntities',
  ),
  '/sync/capabilities': {
    get: operation('What the cloud can do', {
      '200': answer('Its limits', 'Capabilities'),
      '404': answer('500 changes, 1 MiB, gzip, no long poll, no digest'),
    }),
  },
  '/entities/{type}/{id}': {
    get: operation(
      'One entity as it is now',
      { '200': answer('The entity', 'Entity'), '404': answer('Neither row nor tombstone', 'Refusal') },
      { parameters: [...OUTLET, TYPE, ID] },
    ),
  },
  '/entities/{type}/{id}/version': {
    get: operation(
      'Its version alone',
      {
        '200': {
          description: 'The version',
          content: {
            'application/json': {
              schema: {
                type: 'object',
                required: ['cloud_version'],
                properties: { cloud_version: { type: 'integer' } },
              },
            },
          },
        },
        '404': answer('Neither row nor tombstone', 'Refusal'),
      },
      { parameters: [...OUTLET, TYPE, ID] },
    ),
  },
  '/health': { get: operation('Is the cloud there?', { '200': answer('It is') }) },
};

const SIGNATURE =
  'Signed with HMAC-SHA256 over the raw body, in one of three profiles: X-Cloud-Signature alone; X-Cloud-Signature with t= and v1= beside X-Cloud-Event-Id; or the headers of Standard Webhooks.';

const webhook = (summary: string, body: string) => ({
  post: {
    tags: ['webhooks'],
    summary,
    description: SIGNATURE,
    security: [],
    requestBody: { required: true, content: content(body) },
    responses: {
      '202': answer('Stored; applied from there'),
      '200': answer('Known already: nothing to do'),
      '400': answer('No JSON, or not by this contract'),
      '401': answer('The signature or its time is wrong'),
      '403': answer('The address is not on the list'),
      '413': answer('Too large'),
      '503': answer('The database does not answer: send it again'),
    },
  },
});

/** At `/api/v1/webhooks/cloud/…` on the port in `webhook.listen`. */
export const WEBHOOKS = {
  update: webhook('Rows were created or changed', 'CloudEvent'),
  delete: webhook('Rows were deleted', 'CloudEvent'),
  conflict: webhook('The cloud has found a conflict', 'CloudConflict'),
};
