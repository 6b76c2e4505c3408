/**
 * `syncd demo`: everything on this machine, to look at (until Ctrl-C) or to judge by (`--once`). Owns the signals and what is
 * printed: the story's result on stdout, its words on stderr, so that JSON can be read from a pipe.
 */
import { Command, InvalidArgumentError } from 'commander';
import { openDay } from '../demo/day.js';
import { playStory, type StoryResult } from '../demo/story.js';
import { EXIT } from '../errors.js';
import { endUnheard, print, printJson, remark } from './output.js';

type DemoOptions = { once?: boolean; seed: number; sales: number; json?: boolean };

function wholeNumber(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= low && value <= high) return value;
    throw new InvalidArgumentError(`a whole number from ${low} to ${high} is wanted.`);
  };
}

export function demoCommand(): Command {
  return new Command('demo')
    .description('a coffee shop, a cloud and syncd between them, all on this machine and gone afterwards')
    .option('--once', 'play the fixed story, compare both sides, exit 0 only if they are equal')
    .option(
      '--seed <n>',
      'what happens in the shop; the same number gives the same day',
      wholeNumber(0, 2 ** 32 - 1),
      1,
    )
    .option('--sales <n>', 'sales in the story', wholeNumber(10, 100_000), 100)
    .action(async (_, command: Command) => {
      const options = command.optsWithGlobals<DemoOptions>();
      const stop = new AbortController();
      const end = () => stop.abort();
      const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
      for (const signal of signals) process.on(signal, end);
      try {
        if (!options.once) {
          endUnheard();
          return await openDay(options.seed, print, stop.signal);
        }
        const say = options.json ? () => {} : remark;
        const result = await playStory({ seed: options.seed, sales: options.sales, say, signal: stop.signal });
        if (options.json) printJson(result);
        else print(tableOf(result));
        if (!result.ok) process.exitCode = EXIT.failed;
      } catch (error) {
        if (!stop.signal.aborted) throw error;
        process.exitCode = options.once ? EXIT.failed : EXIT.done;
      } finally {
        for (const signal of signals) process.off(signal, end);
      }
    });
}

function tableOf(result: StoryResult): string {
  return Object.entries(result)
    .map(([name, value]) => `${name.padEnd(14)}${value}`)
    .join('\n');
}
