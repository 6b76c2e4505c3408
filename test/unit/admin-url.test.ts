/** As whom `install` logs in where the configuration names the daemon's own login. */
import { userInfo } from 'node:os';
import { asCaller } from '../../src/commands/admin-url.js';

const me = userInfo().username;

test.each([
  'postgres:///pos?host=/run',
  'postgres://syncd@localhost/pos?host=/run',
  'postgres:///pos?host=/run&user=syncd',
])('%s is the login of the daemon: whoever calls logs in as himself', (url) => {
  expect(new URL(asCaller(url)).searchParams.get('user')).toBe(me);
});

test.each([
  'postgres://syncd:secret@127.0.0.1/pos',
  'postgres:///pos?host=/run&user=syncd&password=secret',
  'postgres://admin@localhost/pos',
  'postgres:///pos?host=/run&user=admin',
])('%s is taken as it stands', (url) => {
  expect(asCaller(url)).toBe(url);
});
