/** `syncd adopt --as cloud-restored`: holds the agreements against a cloud that was restored, and lets syncing go on with it. */
import { cloudClientOf } from '../cloud/access.js';
import type { CloudClient } from '../cloud/client.js';
import type { Settings } from '../config/settings.js';
import { openDb } from '../db/connect.js';
import { INSTALL, SyncError } from '../errors.js';
import { count, wrapped } from '../ops/status/words.js';
import { knownHistory } from '../proof/history.js';
import { withTombstones } from '../proof/repair.js';
import { agreedGone, type GoneOn, goOnWithRestored, type RestoredCloud } from '../proof/restored.js';
import { mustOfferDigest, versionsThere } from '../proof/there.js';
import { installedTypes, type Proof, verifyTypes } from '../proof/verify.js';
import { authorOf } from './actions.js';
import { confirm } from './ask.js';
import { print, printJson } from './output.js';
import { progressLine } from './progress.js';
import { type CommonOptions, loadWithSecrets, type Session } from './session.js';
import { PATIENCE, QUERY_MS } from './verify.js';
import { differenceLines } from './verify-view.js';

type Options = CommonOptions & { yes?: boolean; by?: string };

const WIDTH = 80;

export async function adoptRestoredCloud(session: Session, options: Options): Promise<void> {
  // The cloud's key is needed here alone.
  const { settings } = loadWithSecrets(options);
  const client = cloudClientOf(settings);
  try {
    const known = await knownHistory(session.db);
    const told = await mustOfferDigest(client);
    if (told === undefined || told === known)
      throw new SyncError('failed', 'nothing was changed: the cloud answers with the history that it had before', {
        hint: 'If a daemon runs, it goes on by itself. See: syncd status',
      });
    const { proofs, tombstones } = await compareAll(session, settings, client, options);
    const skipped = proofs.filter((proof) => proof.skipped !== null);
    if (skipped.length > 0)
      throw new SyncError(
        'failed',
        `nothing was changed: ${skipped.map((one) => `${one.entity_type} cannot be compared: ${one.skipped}`).join('; ')}`,
        {
          hint: `Put it right first, or take the entity out of syncd.yaml; then: ${INSTALL}`,
        },
      );
    if (!options.yes) {
      print(foreseen(proofs));
      if (!(await confirm('Go on with the cloud as it is now?'))) return print('Nothing was changed.');
    }
    const done = await goOnWithRestored(session.db, { known, told, proofs, tombstones }, authorOf(options));
    if (options.json) printJson({ as: 'cloud-restored', ...done });
    else print(afterwards(done));
  } finally {
    client.abort();
  }
}

async function compareAll(
  { db, url }: Session,
  settings: Settings,
  client: CloudClient,
  options: Options,
): Promise<Pick<RestoredCloud, 'proofs' | 'tombstones'>> {
  const patient = openDb(url, { role: 'adopt', queryTimeoutMs: QUERY_MS, settings: [PATIENCE] });
  const line = progressLine(options);
  try {
    // Pushing and applying are stopped: what is seen once stays so.
    const deps = { db: patient, beside: db, client, settings, pauseMs: null };
    const proofs = await verifyTypes(deps, await installedTypes(db, []), (type) => line.show(`comparing ${type}`));
    const known: Proof[] = [];
    const tombstones = new Map<string, Map<string, number | null>>();
    for (const proof of proofs) {
      const { entity_type } = proof;
      line.show(`asking for what ${entity_type} lacks`);
      known.push(await withTombstones(client, proof));
      tombstones.set(entity_type, await versionsThere(client, entity_type, await agreedGone(db, entity_type)));
    }
    return { proofs: known, tombstones };
  } finally {
    line.end();
    await patient.destroy();
  }
}

function foreseen(proofs: readonly Proof[]): string {
  const differ = proofs.filter(({ differences }) => differences.length > 0);
  const lines = differ.flatMap(({ entity_type, differences }) => [`${entity_type}:`, ...differenceLines(differences)]);
  return [
    ...(differ.length === 0 ? ['The cloud holds everything that was agreed on.'] : lines),
    '',
    ...wrapped(
      'What the cloud has lost is queued again as the shop has it now. Its newer rows of types that are pulled come back. What it had sent and was not applied yet is put away. Where the cloud is ahead of what was agreed on, both sides meet as a conflict. What somebody has edited there since, without coming beyond that, gets the row of the shop, or is taken for the same where the versions are equal.',
      WIDTH,
    ),
    '',
  ].join('\n');
}

function afterwards({ repaired, put_away }: GoneOn): string {
  const lines = repaired.flatMap(({ entity_type, to_push, to_pull, left }) => {
    const parts = [
      ...(to_push > 0 ? [`${count(to_push, 'row')} queued again by the daemon`] : []),
      ...(to_pull > 0 ? [`${count(to_pull, 'row')} fetched`] : []),
      ...(left > 0 ? [`${count(left, 'row')} that the cloud does not have any more stay here as they are`] : []),
    ];
    return [`${entity_type}: ${parts.join('; ')}`];
  });
  return [
    ...lines,
    ...(put_away > 0 ? [`${count(put_away, 'change')} of the cloud's old history put away.`] : []),
    'Syncing goes on. Once nothing waits, syncd verify shows whether both sides hold the same.',
  ].join('\n');
}
