/**
 * Builds the dashboard into dist/dashboard: one script, one style sheet, one page that names them. Every part bears the digest
 * of its content in its name. Run by `npm run build`, after the compiler; the daemon only ever reads the result.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const source = fileURLToPath(new URL('.', import.meta.url));
const target = fileURLToPath(new URL('../../dist/dashboard/', import.meta.url));

const { outputFiles } = await build({
  entryPoints: {
    main: join(source, 'main.tsx'),
    first: join(source, 'first.ts'),
    style: join(source, 'style/main.css'),
  },
  outdir: target,
  bundle: true,
  minify: true,
  write: false,
  format: 'esm',
  target: ['chrome100', 'firefox100', 'safari15.4'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
  logLevel: 'warning',
});

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
const parts = outputFiles.map(({ path, contents }) => [path.slice(target.length), Buffer.from(contents)]);
const named = [...parts, ['icon.svg', readFileSync(join(source, 'icon.svg'))]].map(([name, bytes]) => {
  const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 10);
  const withDigest = name.replace(/(\.\w+)$/, `-${digest}$1`);
  writeFileSync(join(target, withDigest), bytes);
  return [name, withDigest];
});
const page = named.reduce(
  (text, [name, withDigest]) => text.replaceAll(`{{${name}}}`, withDigest),
  readFileSync(join(source, 'index.html'), 'utf8'),
);
writeFileSync(join(target, 'index.html'), page);
