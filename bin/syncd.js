#!/usr/bin/env node
import { isatty } from 'node:tty';

// Whoever has changed the configuration may tell the daemon so (SIGHUP) before it is loaded: the file is read after this.
if (process.argv.includes('run') && !isatty(1)) process.on('SIGHUP', () => {});
// Everybody on the machine may read the command line of a process: a URL with a password does not stay there.
if (process.argv.some((word) => /:\/\/[^/\s]*:[^\s]*@|[?&](ssl)?password=/i.test(word))) process.title = 'syncd';
process.setSourceMapsEnabled(true);
const { main } = await import('../dist/cli.js');
process.exitCode = await main(process.argv);
