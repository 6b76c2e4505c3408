/** The page in English. Its shape is the shape of every language. Pure. */
import type { Finding } from '../api/types.js';
import type { Cause } from '../state/answer.js';
import { checks } from './en-checks.js';
import { many, screens } from './en-screens.js';

const because: Record<Cause, string> = {
  none: '',
  unknown: '',
  daemon: ' because the sync service is not running',
  stopped: ' because sending was stopped',
  paused: ' because sending is paused',
  refused: ' because the cloud refuses this outlet',
  offline: ' because the connection to the cloud is down',
  asked: ' because the cloud asked to wait',
  turn: '',
};

export const en = {
  locale: 'en-GB',
  span: { s: 's', min: 'min', h: 'h', d: 'd' },
  nav: { label: 'Main', home: 'Overview', queue: 'Queue', conflicts: 'Conflicts', log: 'Log', health: 'Health' },
  skip: 'Skip to content',
  language: 'Language',
  languages: { id: 'Bahasa Indonesia', en: 'English' },
  theme: { label: 'Colours', auto: 'As the device', light: 'Light', dark: 'Dark' },
  settings: 'Settings',
  signOut: 'Sign out',
  readOnly: 'Look only',
  readOnlyHint: 'This token may look at everything and change nothing.',
  cancel: 'Cancel',
  close: 'Close',
  again: 'Try again',
  loading: 'Loading',
  none: 'none',
  signIn: {
    title: 'Are all sales in the cloud?',
    lead: 'Enter the access token of this outlet.',
    token: 'Access token',
    enter: 'Open',
    entering: 'Opening …',
    where: 'Whoever looks after the till finds it in the file admin_token.',
    wrong: 'This token is not the right one. Check it and try again.',
    locked: (span: string) => `Too many wrong tries. Wait ${span}, then try again.`,
    lost: 'The till does not answer. Is it switched on, and are you on its network?',
  },
  link: {
    lost: (time: string) => `No connection to the till since ${time}. Trying again …`,
    back: 'Connected again.',
    lastKnown: (time: string) => `Last known at ${time}:`,
  },
  answer: {
    label: 'Are all sales in the cloud?',
    unknown: 'Not known right now',
    safe: 'All sales are in the cloud',
    safeBut: 'All recorded sales are in the cloud, but something needs a look',
    waiting: (n: string, time: string | undefined, cause: Cause) => {
      if (cause === 'none') return `${many(n, 'change is', 'changes are')} on the way`;
      if (cause === 'turn') return many(n, 'change waits for its next try', 'changes wait for their next try');
      const since = time === undefined ? '' : ` since ${time}`;
      return `${many(n, 'change waits', 'changes wait')}${since}${because[cause]}`;
    },
    trouble: (failed: string | undefined, conflicts: string | undefined) =>
      [
        failed && `${many(failed, 'change', 'changes')} could not be sent`,
        conflicts && `${many(conflicts, 'record differs', 'records differ')} between shop and cloud`,
      ]
        .filter(Boolean)
        .join(', '),
    tone: { ok: 'Safe', busy: 'Sending', waiting: 'Waiting', attention: 'Needs attention', unknown: 'Unknown' },
    lastSent: (time: string) => `Last sent at ${time}.`,
    neverSent: 'Nothing has been sent yet.',
    kept: 'The till sells on, and nothing is lost.',
    next: {
      none: '',
      retry: (span: string) => `Next try in ${span}.`,
      now: 'Trying now.',
      person: 'Somebody has to decide how to go on. See Health.',
      resume: 'Nothing is sent until somebody resumes it.',
      start: 'Nothing is sent until the service runs again.',
      turn: 'Each one goes by itself when its turn comes.',
    },
    idle: {
      daemon: 'New sales will wait until the sync service runs again.',
      paused: 'Sending is paused: new sales will wait.',
      offline: 'The connection to the cloud is down: new sales will wait.',
    },
    said: 'Reason given',
    pausedBy: 'Paused by',
  },
  actions: {
    now: 'Try now',
    nowDone: 'The till tries now.',
    pause: 'Pause sending',
    pauseTitle: 'Pause sending?',
    pauseText: 'Sales go on being recorded and wait in the shop. Nothing is sent or fetched until you resume.',
    reason: 'Reason (is kept)',
    resume: 'Resume sending',
    paused: 'Sending is paused.',
    resumed: 'Sending goes on.',
    failed: (why: string) => `That did not work: ${why}`,
  },
  figures: {
    title: 'Today',
    captured: 'Recorded in the shop',
    pushed: 'Sent to the cloud',
    pulled: 'Received from the cloud',
    waiting: 'Waiting',
    failed: 'Failed',
    conflicts: 'Conflicts',
    success: 'Accepted by the cloud, 24 h',
    duration: 'Time for one push, on average',
  },
  reasons: {
    title: 'Needs attention',
    state: { critical: 'urgent', warning: 'look' },
    words: {
      daemon: 'The sync service is not running.',
      stopped: 'Sending was stopped until a person decides.',
      refused: 'The cloud refuses this outlet.',
      failed: 'Some changes failed and will not reach the cloud by themselves.',
      capture: 'Recording failed for some sales; they may be missing.',
      offline: 'The cloud has been out of reach for a long time.',
      pull: 'Nothing can be fetched from the cloud.',
      parked: 'Something from the cloud cannot be used in the shop.',
      conflicts: 'Shop and cloud differ, and somebody has to choose.',
      drift: 'The tables of the till have changed.',
      truncated: 'A table of the till was emptied at once.',
      backlog: 'The oldest change has been waiting for long.',
      suspended: 'Recording is suspended; the tables are compared afterwards.',
      compare: 'The tables of the till are being compared.',
      disk: 'The disk is filling up.',
      configuration: 'The configuration was changed and is not in force yet.',
    } satisfies Record<Finding['topic'], string>,
    see: 'Look',
  },
  charts: {
    title: 'Traffic',
    range: 'Period',
    ranges: { hour: 'Hour', day: 'Day', week: 'Week' },
    flow: 'Changes per minute',
    depth: 'Changes waiting',
    push: 'Duration of a push',
    captured: 'Recorded',
    pushed: 'Sent',
    pulled: 'Received',
    waiting: 'Waiting',
    duration: 'Duration',
    outage: 'No connection',
    summary: (captured: string, pushed: string, pulled: string, depth: string) =>
      `${captured} recorded, ${pushed} sent, ${pulled} received. Most that waited: ${depth}.`,
    table: 'Show as a table',
    tableCaption: 'The same figures as a table',
    time: 'Time',
    empty: 'No figures yet. The first ones come after a minute.',
  },
  outages: {
    title: 'Outages of the last 7 days',
    none: 'No outage in the last 7 days.',
    began: 'Began',
    lasted: 'Lasted',
    waited: 'Waited',
    drained: 'Caught up in',
    reason: 'Cause',
    still: 'still lasts',
    notYet: 'not yet',
    nothing: 'nothing',
  },
  ...screens,
  checks,
  trouble: {
    lost: 'The till does not answer.',
    unavailable: 'The till’s database does not answer.',
    title: 'This cannot be shown right now',
  },
};

export type Words = typeof en;
