/**
 * The dashboard's page and what it is made of, as the build left them: read once, compressed once, given out from memory. Needs
 * no token, for nothing of the shop is in it. Where the build is missing, the page's place is taken by a sentence that says so.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { HttpAnswer, HttpRequest } from '../exchange.js';
import { problem } from '../problem.js';
import type { Route } from '../route.js';

/** The same place as seen from src and from dist. */
const BUILT = fileURLToPath(new URL('../../../dist/dashboard/', import.meta.url));

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** The page loads, runs and asks nothing that does not come from here, and writes no text into the document as markup. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

type Asset = { bytes: Buffer; packed: Buffer; headers: Record<string, string> };

/** @param directory where the build stands */
export function assetRoutes(directory = BUILT): Route[] {
  const assets = readAssets(directory);
  return [
    { method: 'GET', path: '/', open: true, handle: async ({ request }) => page(assets, request) },
    {
      method: 'GET',
      path: '/assets/:name',
      open: true,
      handle: async ({ request, params: [name = ''] }) => {
        const asset = name === 'index.html' ? undefined : assets.get(name);
        return asset ? answer(asset, request) : problem('unknown-route', 'the page has no such part');
      },
    },
  ];
}

function page(assets: Map<string, Asset>, request: HttpRequest): HttpAnswer {
  const asset = assets.get('index.html');
  if (asset) return answer(asset, request);
  return problem('unknown-route', 'the dashboard was not built', { hint: 'npm run build' });
}

function answer({ bytes, packed, headers }: Asset, request: HttpRequest): HttpAnswer {
  const known = (request.headers['if-none-match'] ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  if (known.includes(headers.etag as string)) return { status: 304, headers };
  const packs = /(^|[\s,])gzip\s*(,|;\s*q=(1|0\.\d*[1-9])|$)/.test(request.headers['accept-encoding'] ?? '');
  if (!packs) return { status: 200, headers, body: bytes };
  return { status: 200, headers: { ...headers, 'content-encoding': 'gzip' }, body: packed };
}

function readAssets(directory: string): Map<string, Asset> {
  return new Map(namesIn(directory).map((name) => [name, read(join(directory, name), name)]));
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => extname(name) in TYPES);
  } catch {
    return [];
  }
}

/** Names bear the digest of their content, so a browser may keep them for ever; the page itself it asks for again each time. */
function read(path: string, name: string): Asset {
  const bytes = readFileSync(path);
  const isPage = name === 'index.html';
  const headers = {
    'content-type': TYPES[extname(name)] as string,
    etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`,
    'cache-control': isPage ? 'no-cache' : 'public, max-age=31536000, immutable',
    vary: 'accept-encoding',
    ...(isPage && { 'content-security-policy': PAGE_POLICY }),
  };
  return { bytes, packed: gzipSync(bytes, { level: 9 }), headers };
}
