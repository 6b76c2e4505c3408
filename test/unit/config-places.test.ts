/** Where the configuration lies, and where the state: which file is found and whose counts, which directory is made or refused. */
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSettings } from '../../src/config/load.js';
import { prepareStateDir, unusable } from '../../src/config/state-dir.js';
import { at, DOCUMENTED, directory, file, load } from '../support/documented-config.js';

describe('finding the file', () => {
  test('--config, then $SYNCD_CONFIG, else the error names where it looked', () => {
    load();
    expect(loadSettings({ env: { SYNCD_CONFIG: file } }).file).toBe(file);
    expect(() => loadSettings({ file: at('other.yaml'), env: { SYNCD_CONFIG: file } })).toThrow(
      /other.yaml does not exist/,
    );
    expect(() => loadSettings({ env: {} })).toThrow(/neither .*syncd.yaml nor \/etc\/syncd\/syncd.yaml exists/);
  });

  describe('where the command is typed', () => {
    const before = process.cwd();
    afterEach(() => process.chdir(before));

    test("the caller's own counts, another user's does not", () => {
      load();
      process.chdir(directory);
      expect(loadSettings({ env: {} }).file).toBe(file);
      const { geteuid } = process;
      // Root's own counts for everybody.
      if (geteuid?.() === 0) chownSync(file, 12_345, 12_345);
      process.geteuid = () => 54_321;
      try {
        expect(() => loadSettings({ env: {} })).toThrow(
          /syncd.yaml is another user's, and \/etc\/syncd\/syncd.yaml does/,
        );
      } finally {
        Object.assign(process, { geteuid });
      }
    });

    test('a directory that is gone, or that the caller may not look into, is passed over', () => {
      const gone = mkdtempSync(join(tmpdir(), 'syncd-gone-'));
      process.chdir(gone);
      rmSync(gone, { recursive: true });
      expect(() => loadSettings({ env: {} })).toThrow('no configuration: /etc/syncd/syncd.yaml does not exist');
    });
  });
});

describe('the state directory', () => {
  test('the file goes before $STATE_DIRECTORY, that before the default', () => {
    const without = DOCUMENTED.replace('state_dir: /var/lib/syncd\n', '');
    expect(load({ yaml: without }).settings.state_dir).toBe('/var/lib/syncd');
    expect(load({ yaml: without, env: { STATE_DIRECTORY: '/run/a:/run/b' } }).settings.state_dir).toBe('/run/a');
    expect(load({ env: { STATE_DIRECTORY: '/run/a' } }).settings.state_dir).toBe('/var/lib/syncd');
  });

  test('is made where it can be, and refused with what to type where not', () => {
    prepareStateDir(at('state/deep'));
    prepareStateDir(at('state/deep'));
    writeFileSync(at('taken'), '');
    for (const place of [at('taken'), join(at('taken'), 'below'), '/proc/syncd']) {
      expect(() => prepareStateDir(place)).toThrow(
        expect.objectContaining({ code: 'configuration', hint: expect.stringContaining('install -d') }),
      );
    }
  });

  test('whoever names a directory of others is not told to take it over', () => {
    const refused = Object.assign(new Error(), { code: 'EACCES' });
    writeFileSync(at('postgresql'), '');
    expect(unusable(directory, refused).hint).toMatch(/^It holds what is not syncd's: name a directory of its own/);
    writeFileSync(at('identity.json'), '');
    expect(unusable(directory, refused).hint).toMatch(/install -d -o/);
  });

  // Exit code 78 would keep the service manager from trying again once there is room.
  test.each(['ENOSPC', 'EDQUOT', 'EROFS'])('%s may pass by itself, and is no fault of the configuration', (code) => {
    const fault = unusable('/var/lib/syncd', Object.assign(new Error(), { code }));
    expect(fault).toMatchObject({
      code: 'failed',
      hint: expect.stringMatching(/(df -h|findmnt -T) \/var\/lib\/syncd/),
    });
  });
});
