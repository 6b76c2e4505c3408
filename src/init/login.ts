/** The database's URL as the daemon will use it, made from the one that a person looked with: another login, and no password. Pure. */
import { DAEMON } from '../capture/names.js';

export type DaemonLogin = { url: string; remarks: string[] };

export function daemonLogin(url: string): DaemonLogin {
  const parsed = new URL(url);
  const socket = parsed.hostname === '';
  const secret = parsed.password !== '' || parsed.searchParams.has('password');
  parsed.password = '';
  parsed.searchParams.delete('password');
  parsed.searchParams.delete('user');
  if (socket) parsed.username = '';
  else parsed.username = DAEMON;
  const remarks = [
    socket
      ? `Over its socket the server knows the daemon by its system user, ${DAEMON} (peer).`
      : `The daemon logs in as ${DAEMON}, which syncd install makes.`,
  ];
  if (secret || !socket)
    remarks.push(
      'If it needs a password: url_file: FILE in place of url, where the file holds the whole URL and belongs to it.',
    );
  return { url: parsed.href, remarks };
}
