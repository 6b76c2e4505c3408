/** `syncd config`: what holds and where it came from, or everything that is wrong with it. Needs no database. */
import { Command } from 'commander';
import { loadSettings } from '../config/load.js';
import { painter, print, printJson, remark } from './output.js';
import { commonOptions } from './session.js';

export function configCommand(): Command {
  return new Command('config')
    .description('show the settings that hold and where each came from; secrets print ***')
    .addHelpText(
      'after',
      `
A flag goes before the environment, that before secret files, those before
syncd.yaml, and that before the defaults. Where something is wrong, every fault
is reported at once, and the exit code is 78.
`,
    )
    .action((_options, command: Command) => {
      const options = commonOptions(command);
      const loaded = loadSettings({ file: options.config, secrets: 'shown' });
      for (const warning of loaded.warnings) remark(`warning: ${warning}`);
      if (options.json) {
        printJson({ file: loaded.file, settings: loaded.origins });
        return;
      }
      const paint = painter(options);
      const [wide, wider] = [
        widest(loaded.origins.map(({ path }) => path)),
        widest(
          loaded.origins.map(({ value }) => value),
          40,
        ),
      ];
      for (const { path, value, source } of loaded.origins) {
        const from = source.startsWith(`${loaded.file}:`) ? `line ${source.slice(loaded.file.length + 1)}` : source;
        print(`${path.padEnd(wide)}  ${value.padEnd(wider)}  ${paint('dim', from)}`);
      }
      print(paint('dim', `\nfile: ${loaded.file}`));
    });
}

function widest(texts: string[], most = 80): number {
  return Math.min(most, Math.max(...texts.map((text) => text.length)));
}
