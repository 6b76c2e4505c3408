/** One webhook of the cloud, if somebody makes it send one while this waits. */
import { broken, type Chapter, type Check, ok, skipped, verdictOf } from '../check.js';
import type { Exchange } from '../exchange.js';
import { type Heard, waitForWebhook } from '../webhook-door.js';
import { nameOf } from '../with-other.js';

const one: Check = {
  name: 'a webhook arrives, signed, at the right time, and can be read',
  contract: { where: 'Webhooks: cloud → outlet', says: 'The signature is HMAC-SHA256 over the raw bytes.' },
  async run(outlet) {
    const { webhook, tell, type, shared } = outlet.options;
    if (webhook === undefined) return skipped('no --listen');
    const seconds = Math.round(webhook.waitMs / 1_000);
    const other = 'none' in outlet.other || shared ? undefined : outlet.other.outlet;
    const foreign = other?.change('create', other.freshId(), null);
    const heard = await waitForWebhook(webhook, async (port) => {
      // A cloud that sends every outlet what any of them pushed sends this one first.
      if (other && foreign) await other.push([foreign]);
      tell(
        `Change a row at the cloud now (any type that the outlet sees, ${type} for example): for ${seconds} s a webhook is ` +
          `waited for at ${webhook.listen.host}:${port}, POST /api/v1/webhooks/cloud/update, delete or conflict.`,
      );
    });
    if (heard === undefined) return verdictOf([broken(`none came within ${seconds} s`, null)]);
    if (heard.event === null) return verdictOf([broken(whyRefused(heard), exchangeOf(heard))]);
    const faulty = heard.event.changes.find(({ fault }) => fault !== undefined);
    if (faulty) return verdictOf([broken(`a change in it cannot be applied: ${faulty.fault}`, exchangeOf(heard))]);
    if (other && heard.event.changes.some(({ entity_id }) => entity_id === foreign?.entity_id)) {
      const why = `it brings ${foreign?.entity_id}, a row that ${nameOf(other)} pushed: an entity belongs to its outlet. Or do that one's webhooks come to this address too?`;
      return verdictOf([broken(why, exchangeOf(heard))]);
    }
    const named = `profile ${heard.profile}, event ${heard.event.event_id}`;
    return ok(heard.profile === 'body' ? `${named}; a signature over the body alone cannot stop a replay` : named);
  },
};

function whyRefused({ status, method, path, profile }: Heard): string {
  switch (status) {
    case 401:
      return profile === null
        ? 'the signature fits no secret of --secrets-file over these raw bytes, or its time is more than 300 s off'
        : 'the signature is right, but sent_at in the body is not of now';
    case 404:
      return `${method} ${path} is no webhook route; it is POST /api/v1/webhooks/cloud/update, delete or conflict`;
    case 405:
      return `${method} was used; a webhook is a POST`;
    case 413:
      return 'the body is larger than 1 MiB';
    case 415:
      return 'the body has to be application/json, in UTF-8, not compressed';
    case 503:
      return '--secrets-file could not be read';
    default:
      return `the daemon would answer ${status}`;
  }
}

/** Here the cloud is the one that asks: what it sent stands where our request would, our answer where its would. */
function exchangeOf({ method, path, body, status, refusal, address }: Heard): Exchange {
  return {
    sent: { method: method === 'GET' ? 'GET' : 'POST', path, body, remark: `from the cloud at ${address}` },
    reply: { kind: 'answer', status, body: refusal, retryAfter: undefined, date: undefined, durationMs: 0 },
  };
}

export const webhook: Chapter = { title: 'Webhook', needsRows: false, checks: [one] };
