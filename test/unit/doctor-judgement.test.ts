/** What the doctor makes of a server's settings and sessions, and of certificates of any age: the parts that only reckon. */
import { judgeServer } from '../../src/doctor/checks/server.js';
import { judgeSessions } from '../../src/doctor/checks/sessions.js';

const SERVER = {
  encoding: 'UTF8',
  fsync: true,
  full_page_writes: true,
  autovacuum: true,
  prepared: 0,
  read_only: false,
  statement_timeout_ms: 0,
  idle_timeout_ms: 0,
  session_timeout_ms: 0,
  connections_free: 80,
  temp_file_limit: null,
};

test('a server with the usual settings gives no cause for complaint', () => {
  expect(judgeServer(SERVER)).toEqual([]);
});

test.each([
  [{ fsync: false }, 'fail', /^fsync is off/, /fsync = on/],
  [{ full_page_writes: false }, 'warn', /^full_page_writes is off/, /full_page_writes = on/],
  [{ autovacuum: false }, 'warn', /^autovacuum is off/, /autovacuum = on/],
  [{ encoding: 'SQL_ASCII' }, 'warn', /^the database is in SQL_ASCII/, /^syncd queue --status failed/],
  [{ prepared: 20 }, 'warn', /^max_prepared_transactions is 20/, /max_prepared_transactions = 0/],
  [{ read_only: true }, 'fail', /read_only is on/, /RESET default_transaction_read_only/],
  [{ statement_timeout_ms: 5_000 }, 'warn', /^statement_timeout is 5000 ms/, /statement_timeout = 0/],
  [{ idle_timeout_ms: 1_000 }, 'warn', /^idle_in_transaction_session_timeout is 1000 ms/, /ALTER ROLE syncd/],
  [{ session_timeout_ms: 600_000 }, 'warn', /^idle_session_timeout is 600000 ms/, /ALTER ROLE syncd/],
  [{ temp_file_limit: 65_536 }, 'warn', /^temp_file_limit is 64 kB/, /temp_file_limit = -1/],
  [{ connections_free: 3 }, 'warn', /^3 connections are free/, /max_connections/],
])('%j is a %s', (change, state, finding, remedy) => {
  expect(judgeServer({ ...SERVER, ...change })).toEqual([
    {
      state,
      finding: expect.stringMatching(finding),
      why: expect.stringMatching(/\.$/),
      what_to_type: expect.stringMatching(remedy),
    },
  ]);
});

const SESSIONS = { role: 'syncd', visible: true, long: [], prepared: [], replica: [], subscriptions: 0 };

test.each([
  [{ replica: ['importer'] }, 'fail', /^importer works with session_replication_role/, /ALTER ROLE importer RESET/],
  [{ replica: ['every role'] }, 'fail', /^every role works/, /ALTER DATABASE/],
  [{ subscriptions: 2 }, 'warn', /^2 logical subscriptions/, /pg_subscription/],
  [{ long: [{ pid: 77, user: 'report', age_ms: 7_200_000 }] }, 'warn', /of report has been open for 2 h/, /\(77\)/],
  [{ prepared: [{ gid: "o'clock", age_ms: 7_200_000 }] }, 'warn', /waiting for 2 h: o'clock/, /'o''clock'/],
])('sessions like %j are a %s', (change, state, finding, remedy) => {
  expect(judgeSessions({ ...SESSIONS, ...change })).toEqual([
    expect.objectContaining({
      state,
      finding: expect.stringMatching(finding),
      what_to_type: expect.stringMatching(remedy),
    }),
  ]);
});

test('what cannot be seen is said, with what lets it be seen, also beside what was seen', () => {
  expect(judgeSessions(SESSIONS)).toEqual([]);
  expect(judgeSessions({ ...SESSIONS, visible: false })).toEqual([
    expect.objectContaining({
      state: 'warn',
      what_to_type: expect.stringContaining('GRANT pg_read_all_stats TO syncd'),
    }),
  ]);
});
