/** The line to the cloud, step by step: its name, its certificate, an answer, the key, the limits, the clock. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { connect, type PeerCertificate } from 'node:tls';
import { judgeReply } from '../../cloud/outcome.js';
import { parseCapabilities, parseObject } from '../../cloud/reply.js';
import { codeOf, wordsOf } from '../../errors.js';
import { age } from '../../ops/status/words.js';
import { fail, ok, type Unnamed, warn } from '../finding.js';
import type { Check, Patient } from '../patient.js';

const PATIENCE_MS = 10_000;
const CERTIFICATE_WARNING_MS = 14 * 86_400_000;
/** Above this the rule "the newest edit wins" stands back. */
const CLOCK_LIMIT_MS = 60_000;
const CLOCK_WARNING_MS = 5_000;
const PROTOCOL = 1;

export const dns: Check = {
  name: 'dns',
  needs: [],
  proves: 'name',
  async look({ settings }) {
    const host = hostOf(settings.cloud.url);
    if (isIP(host)) return [ok(`the cloud is named by its address, ${host}`)];
    try {
      const { address } = await lookup(host);
      return [ok(`${host} is ${address}`)];
    } catch (error) {
      return [
        fail(
          `${host} has no address: ${codeOf(error) ?? wordsOf(error)}`,
          'Without an address nothing can be sent; sales are captured and wait.',
          `getent hosts ${host}; cat /etc/resolv.conf`,
        ),
      ];
    }
  },
};

export const tls: Check = {
  name: 'tls',
  needs: ['name'],
  proves: 'tls',
  async look({ settings }) {
    const url = new URL(settings.cloud.url);
    if (url.protocol === 'http:') return [ok('the cloud is on this machine; no certificate is needed')];
    const host = hostOf(settings.cloud.url);
    const port = Number(url.port || 443);
    const seen = await shakeHands(host, port, settings.cloud.ca);
    if ('error' in seen)
      return [
        fail(
          `no secure line to ${host}:${port}: ${seen.error}`,
          'Nothing is sent over a line that cannot be trusted; sales are captured and wait.',
          `openssl s_client -connect ${host}:${port} -servername ${host} </dev/null`,
        ),
      ];
    const leftMs = Date.parse(seen.certificate.valid_to) - Date.now();
    if (leftMs < CERTIFICATE_WARNING_MS)
      return [
        warn(
          `the cloud's certificate ends in ${age(leftMs)}, on ${seen.certificate.valid_to}`,
          'From then on nothing is sent. The people who run the cloud have to renew it.',
        ),
      ];
    return [ok(`certificate of ${host} is good until ${seen.certificate.valid_to}`)];
  },
};

export const cloud: Check = {
  name: 'cloud',
  needs: ['tls'],
  proves: 'cloud',
  async look(patient) {
    const { client, settings } = patient;
    const reply = await client.health();
    observe(patient, reply);
    const outcome = judgeReply(reply, Date.now());
    if (outcome.kind === 'ok') return [ok(`${settings.cloud.url} answers in ${Math.round(reply.durationMs)} ms`)];
    // It is there, and asks everybody for a key: the next check says whether ours is good.
    if (outcome.kind === 'refused' && (outcome.status === 401 || outcome.status === 403))
      return [ok(`${settings.cloud.url} answers with HTTP ${outcome.status}: it asks for the key here too`)];
    return [
      fail(
        `${settings.cloud.url} does not serve: ${outcome.reason}`,
        'Nothing is sent; sales are captured and wait.',
        `curl -i ${settings.cloud.url}/health`,
      ),
    ];
  },
};

export const apiKey: Check = {
  name: 'api key',
  needs: ['cloud', 'key'],
  async look(patient) {
    const { client, settings } = patient;
    const reply = await client.capabilities();
    observe(patient, reply);
    const outcome = judgeReply(reply, Date.now());
    if (outcome.kind === 'refused' && outcome.status === 404)
      return [ok('accepted, as far as can be told: this cloud has no list of its capabilities')];
    if (outcome.kind === 'refused')
      return [
        fail(
          `the cloud refuses this outlet: ${outcome.reason}`,
          'Nothing is sent until the key fits; sales are captured and wait.',
          'syncd config   # shows where the key comes from; ask head office for a new one, put it there, and: sudo systemctl restart syncd',
        ),
      ];
    if (outcome.kind !== 'ok' || reply.kind !== 'answer' || !parseObject(reply.body))
      return [
        fail(
          `what answers at ${settings.cloud.url} is not the cloud`,
          "A hotel's or a router's sign-in page answers everything; nothing is sent to it.",
          `curl -i ${settings.cloud.url}/sync/capabilities`,
        ),
      ];
    return capabilities(parseCapabilities(reply.body));
  },
};

function capabilities(limits: ReturnType<typeof parseCapabilities>): Unnamed[] {
  if (limits.protocol !== PROTOCOL)
    return [
      warn(
        `the cloud speaks protocol ${limits.protocol}, this program ${PROTOCOL}`,
        'They may not understand each other.',
        'sudo apt install ./syncd_VERSION_all.deb   # a program that speaks it, from head office',
      ),
    ];
  return [
    ok(
      `accepted; up to ${limits.max_batch_changes} changes a batch, ${limits.encodings.join(' and ') || 'no compression'}, long poll ${limits.long_poll ? 'yes' : 'no'}`,
    ),
  ];
}

export const clock: Check = {
  name: 'clock',
  needs: ['cloud'],
  async look({ clock, settings }) {
    const offsetMs = clock.offsetMs;
    if (offsetMs === undefined) return [ok('the cloud does not tell its time')];
    const apart = Math.abs(offsetMs);
    const text = `this machine's clock is ${age(apart)} ${offsetMs > 0 ? 'behind' : 'ahead of'} the cloud's`;
    const type = 'timedatectl set-ntp true; timedatectl';
    if (apart > CLOCK_LIMIT_MS)
      return [fail(text, 'The rule "the newest edit wins" stands back, and times in reports are wrong.', type)];
    if (apart > CLOCK_WARNING_MS)
      return [warn(text, 'Times in reports are off; above a minute "the newest edit wins" stands back.', type)];
    const zone = Intl.DateTimeFormat('en-GB', {
      timeZone: settings.outlet.timezone,
      hour: '2-digit',
      minute: '2-digit',
    });
    return [
      ok(
        `right to within ${apart < 1_000 ? 'a second' : age(apart)}; it is ${zone.format(Date.now())} in ${settings.outlet.timezone}`,
      ),
    ];
  },
};

function observe({ clock }: Patient, reply: Awaited<ReturnType<Patient['client']['health']>>): void {
  if (reply.kind === 'answer') clock.observeAnswer(undefined, reply.date, Date.now(), reply.durationMs);
}

function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[(.*)\]$/, '$1');
}

function shakeHands(
  host: string,
  port: number,
  ca: string | undefined,
): Promise<{ certificate: PeerCertificate } | { error: string }> {
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port,
      timeout: PATIENCE_MS,
      ...(isIP(host) === 0 && { servername: host }),
      ...(ca !== undefined && { ca }),
    });
    const end = (seen: { certificate: PeerCertificate } | { error: string }) => {
      socket.destroy();
      resolve(seen);
    };
    socket.once('secureConnect', () => end({ certificate: socket.getPeerCertificate() }));
    socket.once('timeout', () => end({ error: `no answer within ${PATIENCE_MS / 1_000} s` }));
    socket.once('error', (error) => end({ error: `${wordsOf(error)}${codeOf(error) ? ` (${codeOf(error)})` : ''}` }));
  });
}
