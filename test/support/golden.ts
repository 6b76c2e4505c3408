/** Compares with a file of test/golden. `UPDATE_GOLDEN=1` writes it instead, so that the difference is seen in review. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export function golden(name: string, actual: string): void {
  const file = join(resolve('test/golden'), name);
  if (process.env.UPDATE_GOLDEN) writeFileSync(file, actual);
  else
    expect({ file, text: actual }).toEqual({
      file,
      text: existsSync(file) ? readFileSync(file, 'utf8') : 'no such golden file',
    });
}
