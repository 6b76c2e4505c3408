/** Ways in which the line to the cloud can be out of order, and what the doctor has to say of each. */
import type { Breach } from './breaches.js';

export const lineBreaches: Breach[] = [
  {
    broken: "the cloud's name has no address",
    check: 'dns',
    state: 'fail',
    says: /no-such-cloud.invalid has no address/,
    change: () => ({ cloud: { url: 'https://no-such-cloud.invalid/api/v1' } }),
  },
  {
    broken: 'the key is wrong',
    check: 'api key',
    state: 'fail',
    says: /refuses this outlet: HTTP 401/,
    change: () => ({ cloud: { apiKey: 'another-key-9876' } }),
  },
  {
    broken: 'the key is wrong, and the cloud asks for it everywhere',
    check: 'api key',
    state: 'fail',
    says: /refuses this outlet: HTTP 401/,
    types: /ask head office/,
    change: async (stage) => ({ cloud: { url: await stage.stranger((_, answer) => answer.writeHead(401).end()) } }),
  },
  {
    broken: 'a captive portal answers',
    check: 'api key',
    state: 'fail',
    says: /is not the cloud/,
    change: async (stage) => ({
      cloud: { url: await stage.stranger((_, answer) => answer.end('<html>Sign in</html>')) },
    }),
  },
  {
    broken: 'the cloud fails',
    check: 'cloud',
    state: 'fail',
    says: /HTTP 502/,
    change: async (stage) => ({ cloud: { url: await stage.stranger((_, answer) => answer.writeHead(502).end()) } }),
  },
  {
    broken: "the certificate is nobody's",
    check: 'tls',
    state: 'fail',
    says: /no secure line to localhost.*(self-signed|DEPTH_ZERO)/,
    change: async (stage) => ({ cloud: { url: await stage.tlsCloud(0) } }),
  },
  {
    broken: 'the certificate ends soon, and the clock is two hours off',
    check: 'clock',
    state: 'fail',
    says: /2 h behind the cloud/,
    change: async (stage) => ({ cloud: { url: await stage.tlsCloud(7_200_000), ca: stage.certificate.cert } }),
  },
  {
    broken: 'nothing answers on the webhook port',
    check: 'webhook',
    state: 'fail',
    says: /nothing answers on 127.0.0.1:1/,
    change: () => ({ webhook: { listen: { host: '127.0.0.1', port: 1 } } }),
  },
  {
    broken: "the cloud's certificate ends soon",
    check: 'tls',
    state: 'warn',
    says: /certificate ends in (9|10) d/,
    types: null,
    change: async (stage) => ({ cloud: { url: await stage.tlsCloud(0), ca: stage.certificate.cert } }),
  },
  {
    broken: 'the cloud speaks another protocol',
    check: 'api key',
    state: 'warn',
    says: /speaks protocol 2, this program 1/,
    change: async (stage) => ({
      cloud: {
        url: await stage.stranger((_, answer) =>
          answer.setHeader('content-type', 'application/json').end('{"protocol":2}'),
        ),
      },
    }),
  },
  {
    broken: 'no webhook has ever come',
    check: 'webhook',
    state: 'warn',
    says: /no webhook has ever come/,
    change: async (stage) => ({
      webhook: { listen: { host: '127.0.0.1', port: Number(new URL(await stage.stranger(() => {})).port) } },
    }),
  },
  {
    broken: 'the cloud refuses what the daemon pushes, and nothing else',
    check: 'daemon',
    state: 'fail',
    says: /refuses this outlet: HTTP 403: unknown outlet/,
    types: /^syncd now/,
    sql: "UPDATE syncd.daemon SET refused = 'HTTP 403: unknown outlet'",
    mend: 'UPDATE syncd.daemon SET refused = NULL',
  },
  {
    broken: 'the cloud refuses to be pulled from, and nothing else',
    check: 'daemon',
    state: 'fail',
    says: /cannot fetch from the cloud: HTTP 403/,
    sql: "UPDATE syncd.daemon SET pull_error = 'HTTP 403: not this type'",
    mend: 'UPDATE syncd.daemon SET pull_error = NULL',
  },
  {
    broken: 'the daemon does not get through, where a short question does',
    check: 'daemon',
    state: 'warn',
    says: /has not reached the cloud for 2 h: no answer within 30 s/,
    sql: "UPDATE syncd.daemon SET online = false, offline_since = now() - interval '2 h', last_error = 'no answer within 30 s'",
    mend: 'UPDATE syncd.daemon SET online = true, offline_since = NULL, last_error = NULL',
  },
];
