/** One request of a check and what came back. Pure. */
import type { Reply } from '../cloud/reply.js';

/** A request as it left, before compression; `remark` says what was unusual about it. */
export type Sent = { method: 'GET' | 'POST'; path: string; body: string | null; remark: string | null };

export type Exchange = { sent: Sent; reply: Reply };
