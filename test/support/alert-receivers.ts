/** Who is told of alerts in tests: a URL that answers as it is told to, a script that does as it is told to. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type Heard = { path: string; body: Record<string, unknown>; headers: Record<string, unknown> };

export class Receivers {
  readonly directory = mkdtempSync(join(tmpdir(), 'syncd-alerts-'));
  readonly #closing: (() => void)[] = [];

  /** @param answer the status of the n-th answer; 0: none ever */
  async url(
    answer: (n: number) => number,
    headers: Record<string, string> = {},
  ): Promise<{ heard: Heard[]; url: string }> {
    const heard: Heard[] = [];
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const body = text === '' ? {} : JSON.parse(text);
        heard.push({ path: `${request.method} ${request.url}`, body, headers: request.headers });
        const status = answer(heard.length);
        if (status > 0) response.writeHead(status, headers).end('thanks');
      });
    });
    this.#closing.push(() => {
      server.closeAllConnections();
      server.close();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { heard, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook/planted-secret` };
  }

  /** A command with one word. */
  script(text: string): string[] {
    const file = join(this.directory, 'notify');
    writeFileSync(file, `#!/bin/sh\n${text}\n`);
    chmodSync(file, 0o755);
    return [file, 'one word'];
  }

  close(): void {
    for (const close of this.#closing) close();
    rmSync(this.directory, { recursive: true });
  }
}

/** A process that only waits for its parent to take note of its end lives no more. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
