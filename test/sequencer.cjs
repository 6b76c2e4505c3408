/**
 * The order of the test files, so that two workers end together. A clean machine knows them by their size alone, and a short
 * file may wait long for daemons or npm: the unit tests, which only reckon, come last and fill up what the others leave.
 */
const { default: Sequencer } = require('@jest/test-sequencer');

const onlyReckons = ({ path }) => Number(path.includes('/test/unit/'));

module.exports = class extends Sequencer {
  sort(tests) {
    return super.sort(tests).sort((one, other) => onlyReckons(one) - onlyReckons(other));
  }
};
