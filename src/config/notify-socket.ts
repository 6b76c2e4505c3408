/** What the service manager expects of a service of type notify; undefined where nobody listens. See sd_notify(3). */

export type ManagerSettings = {
  /** A path, or `@` and an abstract name. */
  socket: string;
  /** It ends a service that has been silent for so long; undefined: it does not watch. */
  watchdogMs: number | undefined;
};

export function managerSettings(
  env: NodeJS.ProcessEnv = process.env,
  pid: number = process.pid,
): ManagerSettings | undefined {
  const socket = env.NOTIFY_SOCKET;
  if (!socket) return undefined;
  const watchdogMs = Number(env.WATCHDOG_USEC) / 1_000;
  // Meant for another process: one that started us, say.
  const others = env.WATCHDOG_PID !== undefined && Number(env.WATCHDOG_PID) !== pid;
  return { socket, watchdogMs: watchdogMs > 0 && !others ? watchdogMs : undefined };
}
