/**
 * The daemon's own words: one line an event, for journald as JSON, for a terminal as text. Never a payload, a key or a token.
 * Whatever happens to the place where the lines go (a closed pipe, a full disk), the daemon goes on; lost lines are counted.
 *
 * Two fields have a meaning of their own. `trouble: 'cloud'` on a warning or an error names what is wrong: the same trouble is
 * told once in five minutes. `recovered: 'cloud'` on a later line ends it: that line appears only if the trouble had been
 * told, and says how long it lasted. Without a name the message and its error are the trouble's name.
 */
import { writeSync } from 'node:fs';
import { Writable } from 'node:stream';
import { isatty } from 'node:tty';
import winston from 'winston';
import { wordsOf } from './errors.js';
import { Throttle } from './log-throttle.js';
import { redactFields, redactText } from './redact.js';
import { monotonicMs } from './time.js';

export type LogFields = Record<string, unknown>;
export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** error: a person must act; warn: degraded and healing; info: transitions and one line a batch; debug: each change. */
export type Log = Record<LogLevel, (message: string, fields?: LogFields) => void>;

/** A log whose rules can change while it is written. */
export type AdaptableLog = Log & {
  /** From now on; what is left out stays as it is, and secrets are added to those known before. */
  adapt(options: Pick<LogOptions, 'level' | 'format' | 'secrets'>): void;
};

export type LogOptions = {
  level?: LogLevel;
  /** Default: text on a terminal, else JSON. */
  format?: 'json' | 'text' | undefined;
  /** What no line may contain. */
  secrets?: readonly string[];
  /** A file descriptor; default 1, standard output. */
  fd?: number;
};

const LEVELS = { error: 0, warn: 1, info: 2, debug: 3 };

export function createLog(options: LogOptions = {}): AdaptableLog {
  const fd = options.fd ?? 1;
  let secrets = options.secrets ?? [];
  const throttle = new Throttle();
  const usual = isatty(fd) ? 'text' : 'json';
  let text = (options.format ?? usual) === 'text';
  const logger = winston.createLogger({
    levels: LEVELS,
    level: options.level ?? 'info',
    format: winston.format.printf((info) => (text ? asText(info) : asJson(info))),
    transports: [new winston.transports.Stream({ stream: sink(fd), eol: '\n' })],
    exitOnError: false,
  });

  const write = (level: LogLevel, message: string, given: LogFields = {}) => {
    if (!logger.isLevelEnabled(level)) return;
    try {
      const { trouble, recovered, ...fields } = given;
      const now = monotonicMs();
      if (typeof recovered === 'string') {
        const end = throttle.recover(recovered, now);
        if (!end) return;
        Object.assign(fields, { lasted_ms: Math.round(end.lastedMs), times: end.times });
      } else if (level === 'warn' || level === 'error') {
        const told = throttle.trouble(typeof trouble === 'string' ? trouble : nameOf(level, message, fields), now);
        if (!told) return;
        if (told.repeated > 0) fields.repeated = told.repeated;
      }
      // `message` and `level` are winston's own; the rest travels in one field so that none of ours can collide with them.
      logger.log(level, redactText(message, secrets), { fields: redactFields(fields, secrets) });
    } catch {
      // A line that cannot be made is not worth a sale.
    }
  };
  return {
    error: (message, fields) => write('error', message, fields),
    warn: (message, fields) => write('warn', message, fields),
    info: (message, fields) => write('info', message, fields),
    debug: (message, fields) => write('debug', message, fields),
    adapt(change) {
      if (change.level) logger.level = change.level;
      if ('format' in change) text = (change.format ?? usual) === 'text';
      secrets = [...new Set([...secrets, ...(change.secrets ?? [])])];
    },
  };
}

function nameOf(level: LogLevel, message: string, fields: LogFields): string {
  const error = fields.error === undefined ? '' : wordsOf(fields.error);
  return [level, message, error, fields.code, fields.entity_type, fields.entity_id].join('\n');
}

function fieldsOf(info: winston.Logform.TransformableInfo): LogFields {
  return info.fields as LogFields;
}

function asJson(info: winston.Logform.TransformableInfo): string {
  const own = { at: new Date().toISOString(), level: info.level, message: info.message };
  // Twice: first for the order of the keys, last so that no field takes their place.
  return visible(JSON.stringify({ ...own, ...fieldsOf(info), ...own }));
}

/** The cloud's words may hold what a terminal obeys instead of showing it; JSON leaves some of that as it is. */
function visible(line: string): string {
  return line.replaceAll(/[\p{Cc}\p{Cf}]/gu, (char) =>
    [...Array(char.length).keys()].map((n) => `\\u${char.charCodeAt(n).toString(16).padStart(4, '0')}`).join(''),
  );
}

function asText(info: winston.Logform.TransformableInfo): string {
  const time = new Date().toTimeString().slice(0, 8);
  const fields = Object.entries(fieldsOf(info)).map(
    ([name, value]) => `${name}=${typeof value === 'string' && /^\S+$/.test(value) ? value : JSON.stringify(value)}`,
  );
  return visible(
    [`${time} ${info.level.padEnd(5)} ${String(info.message)}`, ...fields].join('  ').replaceAll('\n', ' '),
  );
}

/** Takes every line at once and never fails: what cannot be written is counted and told with the first line that can. */
function sink(fd: number): Writable {
  let lost = 0;
  return new Writable({
    decodeStrings: false,
    write(line: string | Buffer, _encoding, done) {
      try {
        if (lost > 0) {
          writeSync(
            fd,
            `${JSON.stringify({ at: new Date().toISOString(), level: 'warn', message: 'log lines were lost', lines: lost })}\n`,
          );
          lost = 0;
        }
        writeSync(fd, String(line));
      } catch {
        lost += 1;
      }
      done();
    },
  });
}
