/** A gzipped tar archive of a few texts, for its owner alone. Written whole or not at all. */
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { pack } from 'tar-stream';

export type Text = { name: string; text: string };

/**
 * @param folder the one folder that everything in the archive stands in
 * @throws what the file system says
 */
export async function writeArchive(path: string, folder: string, texts: Text[], mtime: Date): Promise<void> {
  const tar = pack();
  for (const { name, text } of texts) tar.entry({ name: `${folder}/${name}`, mode: 0o600, mtime }, text);
  tar.finalize();
  const unfinished = `${path}.part`;
  try {
    await pipeline(tar, createGzip(), createWriteStream(unfinished, { mode: 0o600 }));
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}
