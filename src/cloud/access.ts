/** The cloud as the configuration names it: for whoever is going to ask it something. */
import type { Settings } from '../config/settings.js';
import { VERSION } from '../version.js';
import { type CloudClient, createCloudClient } from './client.js';

/** @param settings with the API key read */
export function cloudClientOf({ cloud, outlet }: Pick<Settings, 'cloud' | 'outlet'>): CloudClient {
  const { url, apiKey, timeoutMs, compression, ca } = cloud;
  return createCloudClient({ url, outletId: outlet.id, apiKey, timeoutMs, compression, ca, version: VERSION });
}
