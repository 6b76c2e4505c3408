/** Who called, and what their screen can show: the rest of what the program takes from its environment. */
import { userInfo } from 'node:os';

/** The person behind a command: the one who typed sudo, else the user of the process. */
export function callerName(env: NodeJS.ProcessEnv = process.env): string {
  if (env.SUDO_USER) return env.SUDO_USER;
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? '?'}`;
  }
}

/** Where the database is, where there is no configuration yet to say so. */
export function databaseUrlOf(env: NodeJS.ProcessEnv = process.env): string | undefined {
  return env.DATABASE_URL || undefined;
}

/** Colour is for a terminal that wants it: https://no-color.org, and TERM=dumb. */
export function colourWanted(isTerminal: boolean, env: NodeJS.ProcessEnv = process.env): boolean {
  return isTerminal && !env.NO_COLOR && env.TERM !== 'dumb';
}
