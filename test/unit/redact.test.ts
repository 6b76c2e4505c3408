/** No secret leaves, whichever way it is dressed. */
import { redactFields, redactText } from '../../src/redact.js';

const SECRET = 'pl@nted/"key"';

test.each([
  [`key ${SECRET}!`, 'key ***!'],
  [`x ${encodeURIComponent(SECRET)} y`, 'x *** y'],
  [`{"k":${JSON.stringify(SECRET)}}`, '{"k":"***"}'],
  ['postgres://user:p%40ss@h:5432/db', 'postgres://user:***@h:5432/db'],
  ['postgres://user@h:5432/db', 'postgres://user@h:5432/db'],
  ['postgres:///db?password=p%40ss&host=/run', 'postgres:///db?password=***&host=/run'],
  ['Authorization: Basic dTpwYXNz', 'Authorization: Basic ***'],
  ['X-API-Key: abc123, next', 'X-API-Key: ***, next'],
  ['Authorization: Bearer abc.def', 'Authorization: Bearer ***'],
  ['nothing to hide', 'nothing to hide'],
])('%s', (text, clean) => expect(redactText(text, [SECRET, 'abc'])).toBe(clean));

test('fields are cleaned by name, by value and in depth; what is no secret stays', () => {
  expect(
    redactFields(
      {
        api_key: 'x',
        retries: 3,
        token_valid: true,
        list: [SECRET, { password: 'y' }],
        error: new Error(SECRET),
        payload: '{"a":1}',
        previous: null,
        when: undefined,
      },
      [SECRET],
    ),
  ).toEqual({
    api_key: '***',
    retries: 3,
    token_valid: true,
    list: ['***', { password: '***' }],
    error: '***',
    payload: '[left out]',
    previous: '[left out]',
  });
});
