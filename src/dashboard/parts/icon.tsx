/** The signs: each beside words that say the same. */
const SHAPES = {
  ok: 'M5 13l4.5 4.5L19 7',
  busy: 'M12 19V6M6 11.5L12 5.5l6 6',
  waiting: 'M12 6.5V12l3.5 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z',
  attention: 'M12 8v5M12 16.5v.01M12 3.5L2.5 20h19z',
  unknown: 'M9 9a3 3 0 1 1 4.2 2.8c-.8.4-1.2 1-1.2 2.2M12 17.5v.01',
  failed: 'M7 7l10 10M17 7L7 17',
  home: 'M4 11l8-7 8 7v9h-5v-6H9v6H4z',
  queue: 'M4 6h16M4 12h16M4 18h10',
  conflicts: 'M7 4v6a5 5 0 0 0 5 5 5 5 0 0 1 5 5M17 4v6a5 5 0 0 1-5 5 5 5 0 0 0-5 5',
  log: 'M6 3h9l4 4v14H6zM9 11h7M9 15h7',
  health: 'M3 12h4l2.5-7 4 14 2.5-7h5',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5',
  lost: 'M4 4l16 16M8.5 16.5a5 5 0 0 1 6-.8M5 12.5a10 10 0 0 1 5-2.8M2 8.5a15 15 0 0 1 4.5-2.7M13.5 9.7a10 10 0 0 1 5.5 2.8M11 5a15 15 0 0 1 11 3.5M12 20v.01',
  retry: 'M20 11a8 8 0 1 0-2.3 6.2M20 5v6h-6',
  pause: 'M9 5v14M15 5v14',
  resume: 'M7 4.5v15l12-7.5z',
  close: 'M6 6l12 12M18 6L6 18',
  back: 'M15 5l-7 7 7 7',
  forward: 'M9 5l7 7-7 7',
  out: 'M9 4H5v16h4M14 8l4 4-4 4M18 12H9',
  look: 'M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z',
} as const;

export type IconName = keyof typeof SHAPES;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={SHAPES[name]} />
    </svg>
  );
}

/** The same drawing as icon.svg. */
export function Brand() {
  return (
    <svg class="brand" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" />
      <path d="M8 13a8 8 0 0 1 14.5-2.5M24 19a8 8 0 0 1-14.5 2.5M22.5 5v5.5H17M9.5 27v-5.5H15" />
    </svg>
  );
}
