/** A unit of systemd's has a /tmp of its own (PrivateTmp): what it is to reach may not lie there. */
import { UNIT } from './credentials.js';

const OWN = /^\/(var\/)?tmp(\/|$)/;

/** @returns a warning for each database URL that names a socket which the daemon, started by the unit, cannot see though commands do */
export function hiddenSockets(urls: readonly string[], file: string, unit = UNIT): string[] {
  if (file !== unit.file || !urls.some((url) => OWN.test(socketOf(url)))) return [];
  return [
    "database.url names a socket under /tmp, and the service has a /tmp of its own: it will not find it. In postgresql.conf let the server have another one too, unix_socket_directories = '/tmp, /var/run/postgresql', and name that: host=/var/run/postgresql",
  ];
}

function socketOf(url: string): string {
  return URL.canParse(url) ? (new URL(url).searchParams.get('host') ?? '') : '';
}
