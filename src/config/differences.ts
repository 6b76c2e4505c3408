/**
 * What a configuration that was read anew changes for a daemon that runs: which fields, which of them hold at once, and which
 * wait for a new start or for `syncd install`. Pure. Fields are named as the file names them; values are never shown.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Settings } from './settings.js';

/** Settings, and every field as `syncd config` shows it: secrets are hidden there. */
export type Shown = { settings: Settings; origins: { path: string; value: string }[] };

export type Differences = {
  /** What holds from now on: the fresh settings, but for what cannot change while the daemon runs. */
  settings: Settings;
  /** All that is different. */
  changed: string[];
  /** Of these, what stays as it was until the daemon is started again. */
  restart: string[];
  /** Of these, what the database follows only after `syncd install`. */
  install: string[];
};

/** Another outlet, another database or another place for its state make another daemon. */
export const FIXED = /^(outlet\.id|database\.url|database\.url_file|state_dir)$/;
/** What the installation writes into the database. */
const INSTALLED =
  /^(outlet\.code|cloud\.url|capture\..*|entities\.[^.]+\.(table|key|exclude|direction|also_writes|coalesce))$/;

export function compareSettings(now: Shown, fresh: Shown): Differences {
  const changed = new Set([...pathsThatDiffer(now, fresh), ...hiddenThatDiffer(now.settings, fresh.settings)]);
  const sorted = [...changed].sort();
  const { outlet, database, state_dir } = now.settings;
  return {
    settings: { ...fresh.settings, outlet: { ...fresh.settings.outlet, id: outlet.id }, database, state_dir },
    changed: sorted,
    restart: sorted.filter((path) => FIXED.test(path)),
    install: sorted.filter((path) => INSTALLED.test(path)),
  };
}

function pathsThatDiffer(now: Shown, fresh: Shown): string[] {
  const [before, after] = [now, fresh].map(({ origins }) => new Map(origins.map(({ path, value }) => [path, value])));
  const paths = new Set([...(before?.keys() ?? []), ...(after?.keys() ?? [])]);
  return [...paths].filter((path) => before?.get(path) !== after?.get(path));
}

/** What `origins` hides, or names by its file alone. */
function hiddenThatDiffer(now: Settings, fresh: Settings): string[] {
  const found: string[] = [];
  const compare = (path: string, one: unknown, other: unknown) => {
    if (!isDeepStrictEqual(one, other)) found.push(path);
  };
  compare('cloud.api_key', now.cloud.apiKey, fresh.cloud.apiKey);
  compare('cloud.ca_file', now.cloud.ca, fresh.cloud.ca);
  compare('database.url', now.database.urls, fresh.database.urls);
  compare('alerts.send', now.alerts.send, fresh.alerts.send);
  return found;
}
