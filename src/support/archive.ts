/** A gzipped tar archive of a few texts, for its owner alone. Written whole or not at all. */
import { rename, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { type TarFile, tarOf } from './tar.js';

export type Text = TarFile;

/**
 * @param folder the one folder that everything in the archive stands in
 * @throws what the file system says
 */
export async function writeArchive(path: string, folder: string, texts: Text[], mtime: Date): Promise<void> {
  const archive = tarOf(
    texts.map(({ name, text }) => ({ name: `${folder}/${name}`, text })),
    mtime,
  );
  const unfinished = `${path}.part`;
  try {
    // What lies there may be a stranger's, in /tmp say: a link that leads elsewhere, or a file that he may read.
    await rm(unfinished, { force: true });
    await writeFile(unfinished, await promisify(gzip)(archive), { mode: 0o600, flag: 'wx' });
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}
