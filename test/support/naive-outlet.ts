/**
 * An outlet of a dozen lines that is not syncd: row triggers copy every change of the shop into a list, and the list is posted
 * to the cloud. It serves to spoil what arrives at the cloud in known ways and see whether the demo's verdict notices.
 */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { ReferenceCloud } from '../../src/demo/cloud/reference-cloud.js';
import { SHOP_ENTITIES } from '../../src/demo/shop/schema.js';

/** A change as text, so that no number passes through JavaScript. */
export type NaiveChange = {
  change_id: string;
  seq: number;
  tx: string;
  entity_type: string;
  entity_id: string;
  operation: string;
  data: string | null;
};

export async function installNaiveCapture(owner: pg.Client): Promise<void> {
  await owner.query(`CREATE SCHEMA naive;
    CREATE TABLE naive.list (seq bigint GENERATED ALWAYS AS IDENTITY, tx xid8 DEFAULT pg_current_xact_id(),
      entity_type text, operation text, keys text[], data json);
    CREATE FUNCTION naive.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    DECLARE one json := CASE TG_OP WHEN 'DELETE' THEN row_to_json(OLD) ELSE row_to_json(NEW) END;
    BEGIN
      INSERT INTO naive.list (entity_type, operation, keys, data) VALUES (TG_ARGV[0],
        CASE TG_OP WHEN 'INSERT' THEN 'create' WHEN 'UPDATE' THEN 'update' ELSE 'delete' END,
        (SELECT array_agg(one->>key ORDER BY place) FROM unnest(TG_ARGV[1]::text[]) WITH ORDINALITY k(key, place)),
        CASE WHEN TG_OP <> 'DELETE' THEN one END);
      RETURN NULL;
    END $$`);
  for (const { entity_type, table, keys } of SHOP_ENTITIES) {
    await owner.query(`CREATE TRIGGER naive AFTER INSERT OR UPDATE OR DELETE ON ${table}
      FOR EACH ROW EXECUTE FUNCTION naive.note('${entity_type}', '{${keys.join(',')}}')`);
  }
}

export async function readNaiveList(owner: pg.Client): Promise<NaiveChange[]> {
  const { rows } = await owner.query<
    Omit<NaiveChange, 'change_id' | 'seq' | 'entity_id'> & { seq: string; keys: string[] }
  >('SELECT seq::text, tx::text, entity_type, operation, keys, data::text FROM naive.list ORDER BY list.seq');
  return rows.map(({ seq, keys, ...row }) => ({
    ...row,
    seq: Number(seq),
    change_id: randomUUID(),
    entity_id: keys.length > 1 ? JSON.stringify(keys) : (keys[0] as string),
  }));
}

/** Posts the changes transaction by transaction, each request's bases taken from what the cloud holds by then. */
export async function postAll(cloud: ReferenceCloud, apiKey: string, changes: NaiveChange[]): Promise<void> {
  const outlet_id = 'naive';
  const install_id = randomUUID();
  const versions = new Map<string, number>();
  for (let at = 0; at < changes.length; ) {
    const tx = changes[at]?.tx;
    const last = new Map<string, string>();
    const batch: string[] = [];
    for (; changes[at]?.tx === tx && at < changes.length; at += 1) {
      const { data, seq, ...change } = changes[at] as NaiveChange;
      const key = `${change.entity_type} ${change.entity_id}`;
      const after = last.get(key);
      const head = {
        ...change,
        seq: String(seq),
        version: 1,
        base_cloud_version: versions.get(key) ?? null,
        changed_at: '2026-11-22T00:00:00Z',
        ...(after && { after }),
      };
      batch.push(`${JSON.stringify(head).slice(0, -1)},"data":${data}}`);
      last.set(key, change.change_id);
    }
    const batch_id = randomUUID();
    const envelope = JSON.stringify({ batch_id, outlet_id, install_id, epoch: 1, sent_at: '2026-11-22T00:00:00Z' });
    const answer = await fetch(`${cloud.url}/sync/push`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'syncd/0.0.0',
        'idempotency-key': batch_id,
        'x-api-key': apiKey,
        'x-outlet-id': outlet_id,
      },
      body: `${envelope.slice(0, -1)},"changes":[${batch.join(',')}]}`,
    });
    if (!answer.ok) throw new Error(`the cloud answered ${answer.status}: ${await answer.text()}`);
    for (const one of cloud.entities(outlet_id)) versions.set(`${one.entity_type} ${one.entity_id}`, one.cloud_version);
  }
}
