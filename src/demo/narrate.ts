/** The demo's words: what the till, the line and the daemon did, each in one plain line. Pure. */
import type { TillEvent } from './shop/till.js';

/** `123456.50` → `Rp 123.456,50`, as it is written in Indonesia; sen are left out where there are none. */
export function rupiah(amount: string): string {
  const [whole = '0', sen = ''] = amount.split('.');
  const grouped = whole.replaceAll(/\B(?=(\d{3})+$)/g, '.');
  return `Rp ${grouped}${Number(sen) === 0 ? '' : `,${sen}`}`;
}

export function describeEvent(event: TillEvent): string {
  switch (event.kind) {
    case 'sold':
      return `sold       ${event.number}  ${rupiah(event.total).padStart(14)}  ${event.method}`;
    case 'ordered':
      return `ordered    ${event.number}  to be paid later`;
    case 'cancelled':
      return `cancelled  ${event.number}`;
    case 'removed':
      return `removed    ${event.number}  keyed in by mistake`;
    case 'abandoned':
      return `refused    ${event.number}  card declined, sale rolled back: the cloud must never see it`;
    case 'customer created':
      return `customer   ${event.name} joins`;
    case 'customer edited':
      return `customer   ${event.name} has a new number`;
    case 'customer deleted':
      return `customer   ${event.name} asks to be forgotten`;
    case 'price changed':
      return `price      ${event.product} costs more now`;
    case 'restocked':
      return `restocked  ${event.product}`;
    default: {
      const never: never = event;
      return never;
    }
  }
}

/** Head office's hand and the till's, in one line. */
export function describeNewPrice(sale: { number: string; name: string; price: string; afterMs: number }): string {
  const { number, name, price, afterMs } = sale;
  return `sold       ${number}  ${rupiah(price).padStart(14)}  ${name}: head office's new price, here after ${seconds(afterMs)}`;
}

/** One line for the owner: where the changes are. */
export function describeQueue(queue: { waiting: number; troubled: number }, inCloud: number): string {
  const troubled = queue.troubled === 0 ? '' : `, ${queue.troubled} in trouble`;
  return `-- in the cloud ${inCloud}, waiting ${queue.waiting}${troubled}`;
}

/** Durations for people: `0.4 s`. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
