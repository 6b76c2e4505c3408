/** Rows that triggers of two outlets send to and fro: what is noticed, what is not, and what the doctor says of it. */
import { triggers } from '../../src/doctor/checks/triggers.js';
import type { Patient } from '../../src/doctor/patient.js';
import { rowsToAndFro } from '../../src/queue/to-and-fro.js';
import { ApplyStage } from '../support/apply-stage.js';
import { captureSettings, onEachServer } from '../support/capture.js';

onEachServer('a row that comes in and goes out again', (_pos, server) => {
  let stage: ApplyStage;
  const table = (name: string, body: string) => `
    CREATE TABLE ${name} (id int PRIMARY KEY, name text, price numeric, token text, "Last By" text);
    CREATE FUNCTION touch_${name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body}; RETURN NEW; END $$;
    CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON ${name} FOR EACH ROW EXECUTE FUNCTION touch_${name}()`;
  const bodies = {
    anew: 'NEW.token := gen_random_uuid()::text; NEW."Last By" := \'here\'',
    kept: "NEW.token := CASE WHEN TG_OP = 'UPDATE' THEN OLD.token ELSE 'here' END",
    corrected: 'NEW.name := upper(NEW.name)',
  };

  beforeAll(async () => {
    stage = await ApplyStage.open(server.cluster(), 'to_and_fro');
    const names = Object.keys(bodies) as (keyof typeof bodies)[];
    const ddl = names.map((name) => table(name, bodies[name])).join(';');
    await stage.tables(ddl, Object.fromEntries(names.map((name) => [name, name])));
  }, 60_000);
  afterAll(() => stage?.close());
  afterEach(async () => {
    await stage.rows('TRUNCATE anew, kept, corrected');
    await stage.reset();
  });

  let version = 0;
  /** The cloud sends the row, and takes what goes out of it. */
  const comes = async (type: string, data: object, id = 1) => {
    version += 10;
    const whole = { id, name: 'Kopi', price: 4, token: `other ${version}`, 'Last By': 'there', ...data };
    await stage.apply({ type, id: String(id), version, data: whole });
    await stage.settleAll();
  };
  const times = async (n: number, what: (n: number) => Promise<void>) => {
    for (let i = 1; i <= n; i++) await what(i);
  };
  const found = (sinceMs = 3_600_000, lastMs = 60_000) => rowsToAndFro(stage.db, sinceMs, lastMs);
  const examined = (local: string[]) => {
    const settings = captureSettings({ anew: { table: 'anew', direction: 'both', local } });
    return triggers.look({ db: stage.db, settings } as unknown as Patient);
  };

  test('is noticed after ten rounds in which nothing but the triggers’ columns changed, with what to type', async () => {
    await times(10, () => comes('anew', {}));
    expect(await found()).toEqual([]);
    await times(2, () => comes('anew', {}));
    await times(12, () => comes('anew', { name: 'Teh' }, 2));
    // One that keeps what the shop has leaves nothing to capture, and goes out all the same.
    await times(12, () => comes('kept', {}));
    expect(await found()).toEqual([
      {
        entity_type: 'anew',
        rows: 2,
        entity_id: '1',
        times: 12,
        within_ms: expect.any(Number),
        columns: ['Last By', 'token'],
      },
      { entity_type: 'kept', rows: 1, entity_id: '1', times: 12, within_ms: expect.any(Number), columns: ['token'] },
    ]);
    const [first] = await examined([]);
    expect(first).toMatchObject({
      state: 'warn',
      finding: expect.stringMatching(
        /^anew goes to and fro: a trigger of the POS sets Last By, token whenever a row comes in; 1 was sent 12 times within \d+ s, and 1 other row of it, edited by nobody here$/,
      ),
      what_to_type: expect.stringMatching(/^entities\.anew\.local: \['"Last By"', token\] {3}# in syncd\.yaml/),
    });
    expect((await examined(['token']))[0]?.finding).toMatch(/ sets Last By whenever/);
  });

  test('is told no more once its columns are local, or it has come to rest', async () => {
    await times(12, () => comes('anew', {}));
    expect(await examined(['token', '"Last By"'])).toEqual([expect.objectContaining({ state: 'ok' })]);
    expect(await found(3_600_000, 0)).toEqual([]);
    expect(await found(0)).toEqual([]);
  });

  test('is none where head office edits one row often, or a trigger corrects what came and lets it be', async () => {
    await times(14, (n) => comes('anew', { price: n }));
    await times(14, (n) => comes('corrected', { name: `name ${n}` }));
    const sent = await stage.rows(
      'SELECT entity_type, count(*)::int AS n FROM syncd.sync_queue WHERE undated GROUP BY 1 ORDER BY 1',
    );
    expect(sent).toEqual([
      { entity_type: 'anew', n: 14 },
      { entity_type: 'corrected', n: 14 },
    ]);
    // The other outlet's trigger corrects it as well, and then both are content.
    await comes('corrected', { name: 'KOPI' });
    expect(await found()).toEqual([]);
  });
});
