/** `syncd verify`: compares with the cloud by digest, tells what differs, and with --repair has it mended. */
import { Command } from 'commander';
import { cloudClientOf } from '../cloud/access.js';
import type { CloudClient } from '../cloud/client.js';
import type { Settings } from '../config/settings.js';
import { type Db, openDb } from '../db/connect.js';
import { EXIT } from '../errors.js';
import { lookAtDaemon } from '../ops/control.js';
import { readIdentity } from '../ops/identity/outlet.js';
import { mustBeSameHistory } from '../proof/history.js';
import { recordProofs } from '../proof/record.js';
import { type Repairs, repair, withTombstones } from '../proof/repair.js';
import { mustOfferDigest } from '../proof/there.js';
import { installedTypes, type Proof, verifyTypes } from '../proof/verify.js';
import { authorOf, withAuthor } from './actions.js';
import { print, printJson } from './output.js';
import { progressLine } from './progress.js';
import { type CommonOptions, commonOptions, loadWithSecrets, type Session, withDatabase } from './session.js';
import { undecidedIn, type VerifyResult, verifyScreen } from './verify-view.js';

type Options = CommonOptions & { repair?: true; by?: string };

/** The daemon looks at the queue at once, and at the cloud within a round trip: this is ten of them on a slow line. */
const PAUSE_MS = 3_000;
/** A type is read as a whole, in one statement: 1,000,000 rows take some seconds. */
export const QUERY_MS = 600_000;
/** Whatever limit the database or the role has, and so that none goes on that nobody waits for any more. */
export const PATIENCE = `statement_timeout=${QUERY_MS}`;

export function verifyCommand(): Command {
  const command = new Command('verify')
    .description('compare with the cloud: is everything there that was sent, and here what it has?')
    .argument('[type...]', 'the entities, as syncd.yaml names them; all where none is named')
    .option('--repair', 'queue what the cloud has lost, fetch what the shop does not have');
  return withAuthor(command)
    .addHelpText(
      'after',
      `
Both sides add up, day by day (date_field in syncd.yaml; without one a type as a
whole), which entities they hold in which version; only of the days that differ
are the entities listed. No row travels. What is on its way counts for nothing,
and a difference counts when it is seen twice. What waits for a person (an open
conflict, a failed change, one of the cloud's that cannot be applied) is counted
beside it, and is no difference. Sales go on.

It reads the API key, so run it as the daemon's user: sudo -u syncd syncd verify
Exit code: 0 both sides hold the same, 1 they do not, 69 no answer.
`,
    )
    .action(async (types: string[], _options, self: Command) => {
      const options: Options = { ...commonOptions(self), ...self.opts() };
      await withDatabase(options, 'verify', async (session) => {
        // The cloud's key is needed here alone.
        const { settings } = loadWithSecrets(options);
        const client = cloudClientOf(settings);
        try {
          await verify(session, settings, client, types, options);
        } finally {
          client.abort();
        }
      });
    });
}

/** Everything is asked before anything is changed. */
async function repairAll(db: Db, client: CloudClient, proofs: readonly Proof[], who: string): Promise<VerifyResult[]> {
  const all: { proof: Proof; repairs: Repairs }[] = [];
  for (const proof of proofs)
    all.push({ proof, repairs: await withTombstones(client, { ...proof, who, cause: 'syncd verify --repair' }) });
  const results: VerifyResult[] = [];
  for (const { proof, repairs } of all) {
    const wanted = repairs.differences.length > 0;
    results.push({ proof, repaired: wanted ? await repair(db, repairs) : null });
  }
  return results;
}

async function verify(
  { db, url }: Session,
  settings: Settings,
  client: CloudClient,
  named: string[],
  options: Options,
): Promise<void> {
  const types = await installedTypes(db, named);
  // The key of one outlet must not be asked about another one's rows.
  await readIdentity(db, settings);
  await mustBeSameHistory(db, await mustOfferDigest(client));
  const patient = openDb(url, { role: 'verify', queryTimeoutMs: QUERY_MS, settings: [PATIENCE] });
  const line = progressLine(options);
  let proofs: Proof[];
  try {
    const deps = { db: patient, beside: db, client, settings, pauseMs: PAUSE_MS };
    proofs = await verifyTypes(deps, types, (type) => line.show(`comparing ${type}`));
  } finally {
    line.end();
    await patient.destroy();
  }
  await recordProofs(db, proofs, authorOf(options));
  const results = options.repair
    ? await repairAll(db, client, proofs, authorOf(options))
    : proofs.map((proof) => ({ proof, repaired: null }));
  const equal = proofs.every(({ differences, skipped }) => differences.length === 0 && skipped === null);
  process.exitCode = equal ? EXIT.done : EXIT.failed;
  if (options.json)
    return printJson({
      equal,
      ...undecidedIn(proofs),
      types: results.map(({ proof, repaired }) => ({ ...proof, repaired })),
    });
  print(verifyScreen(results, { equal, running: (await lookAtDaemon(db)).running }));
}
