// Attempts, deadline and circuit of one node, with the rest of the trip played by a script.
import { describe, it } from '@jest/globals';
import { Events } from '../kernel/events.js';
import { before } from '../query/stage.js';
import { stageContract } from '../testing/stage-contract.js';
import { CircuitBreaker } from './circuit-breaker.js';
import { BREAKER_DEFAULTS, RETRY_DEFAULTS } from './resilience.options.js';
import { ResilienceStage } from './resilience.stage.js';
import { RetryBudget } from './retry-budget.js';

describe('the contract of a stage', () => {
  const cases = stageContract((rest, clock) => {
    const stage = new ResilienceStage({
      node: 'primary',
      clock,
      retry: RETRY_DEFAULTS,
      budget: new RetryBudget(RETRY_DEFAULTS.budgetRatio),
      breaker: new CircuitBreaker('primary', BREAKER_DEFAULTS, clock, new Events()),
      defaultTimeoutMs: 10_000,
    });
    return { enter: before(stage, rest.enter) };
  });
  for (const { name, run } of cases) it(name, run);
});
