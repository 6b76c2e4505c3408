/**
 * How long one of several addresses of a name gets before the next one is tried. Node gives each a quarter of a second, over the
 * whole way there and back, and does not come back to it: on a slow line none would ever do. Imported by whoever opens connections.
 */
import { setDefaultAutoSelectFamilyAttemptTimeout } from 'node:net';

/** A first packet that was lost is sent again after a second. Three dead addresses still leave a probe of 10 s its time. */
const ADDRESS_MS = 3_000;

setDefaultAutoSelectFamilyAttemptTimeout(ADDRESS_MS);
