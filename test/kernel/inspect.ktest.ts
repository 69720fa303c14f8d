import { treeOfState, openState } from '../inspect/inspect_tree.js';
import { check } from '../../src/inspect/check.js';
import { assertSameTree } from '../images/tree.js';
import { expect } from 'chai';
import { SCENARIOS, recordScenarios, type Recording } from './scenarios.js';
import { BATCH_TIMEOUT_MS, needsJudge } from './suite.js';

describe('what the Linux kernel wrote is listed by the inspector, as detected', function () {
  this.timeout(BATCH_TIMEOUT_MS);
  const scenarios = SCENARIOS;
  let recordings: Recording[] = [];

  before(async function () {
    needsJudge(this);
    recordings = await recordScenarios(scenarios);
  });

  scenarios.forEach((scenario, n) => {
    for (const state of ['mounted', 'unmounted'] as const) {
      it(`${scenario.name}, ${state}: the last state exactly, and nothing to complain about`, () => {
        const { bytes, tree } = recordings[n]![state];
        const inspected = openState(bytes);
        assertSameTree('by the inspector', tree, treeOfState(inspected));
        expect(check(inspected).problems.map(({ text }) => text)).to.deep.equal([]);
      });
    }
  });
});
