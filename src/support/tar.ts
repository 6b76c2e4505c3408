/**
 * A tar archive in the old interchange format (POSIX.1-1988 ustar) of small regular files, as any tar reads it. Pure.
 *
 * A block of 512 bytes names each file: fields of fixed width, numbers in octal digits, a checksum over the block with its own
 * field counted as blanks. The contents follow, filled up to whole blocks; two empty blocks end the archive.
 */
export type TarFile = { name: string; text: string };

const BLOCK = 512;
const LONGEST_NAME = 100;
const REGULAR = '0';
const MODE = 0o600;

/** @param name of every file: ASCII, at most 100 characters; longer ones are cut */
export function tarOf(files: TarFile[], mtime: Date): Buffer {
  const blocks = files.flatMap(({ name, text }) => {
    const contents = Buffer.from(text);
    const padding = Buffer.alloc((BLOCK - (contents.length % BLOCK)) % BLOCK);
    return [headerOf(name, contents.length, mtime), contents, padding];
  });
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

function headerOf(name: string, size: number, mtime: Date): Buffer {
  const header = Buffer.alloc(BLOCK);
  header.write(name.slice(0, LONGEST_NAME), 0, 'latin1');
  header.write(octal(MODE, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(size, 11), 124);
  header.write(octal(Math.floor(mtime.getTime() / 1_000), 11), 136);
  header.fill(' ', 148, 156);
  header.write(REGULAR, 156);
  header.write('ustar\x0000', 257, 'latin1');
  header.write(
    `${octal(
      header.reduce((sum, byte) => sum + byte, 0),
      6,
    )}\0 `,
    148,
    'latin1',
  );
  return header;
}

function octal(number: number, digits: number): string {
  return number.toString(8).padStart(digits, '0');
}
