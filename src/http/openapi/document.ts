/**
 * OpenAPI 3.1 of both sides: the admin port of the sidecar, and the wire contract that a cloud is built from, webhooks included.
 * The schemas are the ones that tests hold real traffic against.
 */
import { z } from 'zod';
import { VERSION } from '../../version.js';
import { ADMIN_PATHS } from './admin-paths.js';
import { ADMIN_SCHEMAS } from './admin-schemas.js';
import { CLOUD_PATHS, WEBHOOKS } from './wire-paths.js';
import { WIRE_SCHEMAS } from './wire-schemas.js';

const ABOUT = `The admin port of syncd, and the wire contract between an outlet and its cloud.

Paths tagged "admin" are served by the sidecar, those tagged "cloud" by the cloud that it talks to. Numbers in rows keep
every digit: read them with a parser that does. Unknown fields are to be ignored.`;

/** The whole document; made once. */
export function openApi(): object {
  return {
    openapi: '3.1.0',
    info: { title: 'syncd', version: VERSION, summary: 'Keeps a shop and its cloud in step', description: ABOUT },
    servers: [{ url: 'http://127.0.0.1:8421', description: 'The admin port' }],
    tags: [
      { name: 'admin', description: 'Served by the sidecar to people and programs in the shop' },
      { name: 'cloud', description: 'Served by the cloud to outlets' },
      { name: 'webhooks', description: 'Sent by the cloud to the webhook port' },
    ],
    paths: { ...ADMIN_PATHS, ...atTheCloud() },
    webhooks: WEBHOOKS,
    components: {
      schemas: schemas(),
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'The token of admin.token_file, or the read-only one' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
    },
  };
}

function atTheCloud(): Record<string, object> {
  const servers = [{ url: 'https://cloud.example.com/api/v1', description: 'cloud.url' }];
  return Object.fromEntries(Object.entries(CLOUD_PATHS).map(([path, item]) => [path, { servers, ...item }]));
}

function schemas(): Record<string, object> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries({ ...WIRE_SCHEMAS, ...ADMIN_SCHEMAS })) registry.add(schema, { id });
  const made = z.toJSONSchema(registry, { uri: (id) => `#/components/schemas/${id}`, io: 'input' });
  return Object.fromEntries(
    Object.entries(made.schemas).map(([id, { $schema, $id, ...schema }]) => [id, schema as object]),
  );
}
