/**
 * The service manager's end of sd_notify: a datagram socket whose messages can be read. Perl holds it, since Node has no sockets
 * of that kind; every Debian has it. Descriptors that come along are closed by the kernel, which is the answer to a barrier.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const LISTEN = `use Socket; $| = 1; socket(S, AF_UNIX, SOCK_DGRAM, 0) or die; bind(S, sockaddr_un($ARGV[0])) or die;
print "listening\\n"; while (1) { recv(S, my $m, 4096, 0); $m =~ s/\\n+$//; $m =~ s/\\n/|/g; print "$m\\n"; }`;

export class NotifySocket {
  readonly directory = mkdtempSync(join(tmpdir(), 'syncd-notify-'));
  readonly path = join(this.directory, 'socket');
  /** One message each, its lines joined by `|`; barriers are left out. */
  readonly messages: string[] = [];
  #child: ChildProcess | undefined;

  static async open(): Promise<NotifySocket> {
    const socket = new NotifySocket();
    const child = spawn('perl', ['-e', LISTEN, socket.path], { stdio: ['ignore', 'pipe', 'inherit'] });
    socket.#child = child;
    const lines = createInterface({ input: child.stdout });
    await once(lines, 'line');
    lines.on('line', (line) => {
      if (line !== '' && line !== 'BARRIER=1') socket.messages.push(line);
    });
    return socket;
  }

  async close(): Promise<void> {
    const child = this.#child;
    if (child && child.exitCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.directory, { recursive: true });
  }
}
