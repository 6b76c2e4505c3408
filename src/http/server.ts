/**
 * A listener of node:http, one for the cloud's webhooks and one for the people who run the shop: takes connections within
 * bounds, hands each request to the handler, and always answers. Requests of one connection are dealt with one after the
 * other. A fault of the handler is answered 500 without a word of what it was, and told to `onFault`.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { codeOf, SyncError, wordsOf } from '../errors.js';
import type { Health, Service } from '../service.js';
import { monotonicMs, sleep } from '../time.js';
import { AddressList, canonicalAddress } from './addresses.js';
import { type Admission, Door } from './door.js';
import type { Handler, HttpAnswer } from './exchange.js';
import { Farewell, onWire } from './farewell.js';
import { refusal } from './refusal.js';
import { readHead } from './request.js';
import { writeAnswer } from './respond.js';

/** Far below Node's own: both listeners have few callers, and each of these is a door that a stranger could hold open. */
const LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 15_000,
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 8 * 1024,
  keepAliveTimeout: 5_000,
  // We answer that ourselves.
  requireHostHeader: false,
} as const;
const MAX_CONNECTIONS = 64;
const MAX_REQUESTS_OF_CONNECTION = 200;
const MAX_HEADERS = 64;
/** A connection on which nothing moves; a stream of events has to send something more often. */
const SILENCE_MS = 60_000;
/** How long busy connections may take to end when the listener stops. */
const FINISH_MS = 500;

export type HttpServerOptions = {
  /** For people: `the webhook listener`. */
  name: string;
  host: string;
  /** 0: any free one. */
  port: number;
  /** Networks whose word on where a request comes from counts; default: nobody's. */
  trustedProxies?: AddressList;
  handle: Handler;
  /** Asked before a byte is read, with the peer's address. */
  admit?: (address: string) => Admission;
  /** Told of requests that never reached the handler: no HTTP, too slow, too large a head. */
  onBroken?: (address: string) => void;
  onFault: (error: unknown) => void;
};

/** What one connection is at: the end of its last request, how many are not answered yet, whether it takes no more. */
type Turn = {
  last: Promise<void>;
  busy: number;
  closing: boolean;
  /** Aborts when what follows is no HTTP, or too slow; with the answer to a request that did not arrive whole. */
  broken: AbortController;
};

export class HttpServer implements Service {
  readonly name: string;
  readonly #options: HttpServerOptions;
  readonly #trusted: AddressList;
  readonly #server: Server;
  readonly #farewell = new Farewell();
  #stopping = false;
  readonly #door: Door;
  /** Of the requests that are being answered. */
  readonly #waiting = new Set<AbortController>();
  readonly #turns = new WeakMap<Socket, Turn>();
  #starting: Promise<void> | undefined;
  #progressAt = monotonicMs();

  constructor(options: HttpServerOptions) {
    this.name = options.name;
    this.#options = options;
    this.#trusted = options.trustedProxies ?? new AddressList([]);
    this.#door = new Door(this.#trusted, this.#farewell, options.admit);
    this.#server = createServer(LIMITS);
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.maxRequestsPerSocket = MAX_REQUESTS_OF_CONNECTION;
    this.#server.maxHeadersCount = MAX_HEADERS;
    this.#server.timeout = SILENCE_MS;
    this.#prepare();
  }

  /** The port that it listens on; 0 before it does. */
  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  /** @throws SyncError `failed` when the address cannot be had; it may be tried again */
  async start(): Promise<void> {
    if (this.#stopping) return;
    this.#starting ??= this.#listen().catch((error) => {
      this.#starting = undefined;
      throw error;
    });
    await this.#starting;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    for (const waiting of this.#waiting) waiting.abort();
    await this.#starting?.catch(() => {});
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    // A timer that goes on would keep the process for its time when everything else has ended.
    const ended = new AbortController();
    await Promise.race([closed, sleep(FINISH_MS, ended.signal)]);
    ended.abort();
    this.#door.clear();
    await closed;
  }

  health(): Health {
    const ok = this.#server.listening;
    return { ok, detail: ok ? `listening on port ${this.port}` : 'not listening', progressAt: this.#progressAt };
  }

  #listen(): Promise<void> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      const refused = (error: Error) => reject(cannotListen(this.name, host, port, error));
      this.#server.once('error', refused);
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', refused);
        this.#server.on('error', (error) => this.#options.onFault(error));
        resolve();
      });
    });
  }

  #prepare(): void {
    const server = this.#server;
    // Between Node's own listener and the connection stands the door.
    const [serve] = server.listeners('connection') as ((socket: Socket) => void)[];
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => this.#door.enter(socket, () => serve?.call(server, socket)));
    const take = (mayContinue: boolean) => (request: IncomingMessage, response: ServerResponse) =>
      this.#take(request, response, mayContinue);
    server.on('request', take(false));
    server.on('checkContinue', take(true));
    // Whoever expects something else gets what everybody gets.
    server.on('checkExpectation', take(false));
    server.on('clientError', (error: Error, socket: Socket) => this.#broken(error, socket));
    server.on('connect', (_request, socket) => {
      this.#farewell.refuse(socket as Socket, onWire(refusal(405, undefined, { allow: 'GET, POST' })));
    });
  }

  #take(request: IncomingMessage, response: ServerResponse, mayContinue: boolean): void {
    const { socket } = request;
    const turn = this.#turns.get(socket) ?? newTurn();
    this.#turns.set(socket, turn);
    turn.busy++;
    turn.last = turn.last.then(async () => {
      if (!turn.closing && !socket.destroyed) {
        turn.closing = await this.#serve(request, response, mayContinue, turn);
      }
      turn.busy--;
    });
  }

  /** @returns whether the connection ends with this answer */
  async #serve(request: IncomingMessage, response: ServerResponse, mayContinue: boolean, turn: Turn): Promise<boolean> {
    const left = new AbortController();
    const leave = () => left.abort();
    response.once('close', leave);
    const { signal } = left;
    const { broken } = turn;
    this.#waiting.add(left);
    try {
      const given = await this.#answer(request, response, mayContinue, signal, broken.signal);
      this.#progressAt = monotonicMs();
      const { reason } = broken.signal as { reason: HttpAnswer | undefined };
      const answer = reason && !request.complete ? reason : given;
      const last = turn.busy === 1 && broken.signal.aborted;
      const close = answer.close === true || !request.complete || last || this.#stopping;
      if (!request.complete || last) this.#farewell.prepare(request);
      await writeAnswer(response, { ...answer, close }, signal);
      return close;
    } catch (error) {
      // The head is out already, or the connection is gone: there is nothing left to say on it.
      if (!signal.aborted) this.#options.onFault(error);
      request.socket.destroy();
      return true;
    } finally {
      response.off('close', leave);
      this.#waiting.delete(left);
    }
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    mayContinue: boolean,
    signal: AbortSignal,
    broken: AbortSignal,
  ): Promise<HttpAnswer> {
    try {
      // Node leaves out the headers beyond its bound in silence; what they would have said nobody knows.
      if (request.rawHeaders.length >= 2 * MAX_HEADERS) return refusal(431);
      const head = readHead(request, response, this.#trusted, mayContinue, { signal, broken });
      const hosts = head.values('host').length;
      if (hosts > 1 || (hosts === 0 && request.httpVersion === '1.1')) return refusal(400);
      return await this.#options.handle(head);
    } catch (error) {
      this.#options.onFault(error);
      return refusal(500);
    }
  }

  #broken(error: Error, socket: Socket): void {
    const address = canonicalAddress(socket.remoteAddress);
    const code = codeOf(error);
    if (address !== undefined && code !== 'ECONNRESET') this.#options.onBroken?.(address);
    const turn = this.#turns.get(socket);
    if (code === 'ECONNRESET') socket.destroy();
    // The answers that are due come first; another one in the middle of them would be taken for their continuation.
    else if (turn && turn.busy > 0) turn.broken.abort(brokenAnswer(code));
    else this.#farewell.refuse(socket, onWire(brokenAnswer(code)));
  }
}

function newTurn(): Turn {
  return { last: Promise.resolve(), busy: 0, closing: false, broken: new AbortController() };
}

function brokenAnswer(code: string | undefined): HttpAnswer {
  if (code === 'HPE_HEADER_OVERFLOW') return refusal(431);
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return refusal(408);
  return refusal(400);
}

function cannotListen(name: string, host: string, port: number, error: Error): SyncError {
  const where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return new SyncError('failed', `${name} cannot have ${where}: another program listens there`, {
        hint: `To see which one: ss -ltnp 'sport = :${port}'`,
        cause: error,
      });
    case 'EACCES':
      return new SyncError('failed', `${name} cannot have ${where}: this user may not use ports below 1024`, {
        hint: 'Choose a port from 1024 upwards.',
        cause: error,
      });
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new SyncError('failed', `${name} cannot have ${where}: this machine has no such address`, {
        hint: 'Name an address of this machine, 127.0.0.1 or 0.0.0.0.',
        cause: error,
      });
    default:
      return new SyncError('failed', `${name} cannot listen on ${where}: ${wordsOf(error)}`, { cause: error });
  }
}
