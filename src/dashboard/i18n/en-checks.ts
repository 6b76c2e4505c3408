/** What each of the doctor's checks looks at, in English: its findings themselves come in the doctor's own words. Pure. */

export const checks: Record<string, { title: string; about: string }> = {
  configuration: { title: 'Configuration', about: 'Is syncd.yaml in order, and do its secrets stay secret?' },
  files: { title: 'Files', about: 'Can the sync service write what it has to keep?' },
  database: {
    title: 'Database',
    about: 'Does the till’s database answer, and quickly? Without it nothing is recorded.',
  },
  installation: { title: 'Installation', about: 'Is syncd completely installed in the database of this outlet?' },
  server: { title: 'Database settings', about: 'Do the settings suit a shop: is a power cut survived, is there room?' },
  rights: { title: 'Rights', about: 'May the sync service read and write the tables that it needs?' },
  capture: { title: 'Recording', about: 'Is every table of the till watched, and was no sale missed?' },
  notify: { title: 'Waking', about: 'Does a new sale wake the sync service at once?' },
  sessions: { title: 'Other programs', about: 'Does another program hold up what is recorded or sent?' },
  disk: { title: 'Disk', about: 'How long will there be room? A full disk stops the till.' },
  daemon: { title: 'Sync service', about: 'Does it run, with the present version and configuration?' },
  queue: { title: 'Queue', about: 'Does something wait for long, has something failed, is there a conflict?' },
  triggers: { title: 'Rows that come back', about: 'Does a trigger of the till send rows to and fro between outlets?' },
  dns: { title: 'The cloud’s name', about: 'Is the cloud’s address found? If not, sales wait in the shop.' },
  tls: {
    title: 'Secure line',
    about: 'Can the line to the cloud be trusted, and for how long is its certificate good?',
  },
  cloud: { title: 'Cloud', about: 'Does the cloud answer? If not, sales wait in the shop.' },
  'api key': { title: 'Key to the cloud', about: 'Does the cloud accept this outlet’s key?' },
  clock: { title: 'Clock', about: 'Is this computer’s clock right? A wrong one gives wrong times in reports.' },
  webhook: {
    title: 'Messages of the cloud',
    about: 'Can the cloud speak up by itself? If not, its changes come later.',
  },
};
