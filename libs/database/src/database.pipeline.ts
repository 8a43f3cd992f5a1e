// The trip of a query, as one expression. The only file that knows the order of the stages.
import type { Enter, Stage } from './query/stage.js';
import { before, last } from './query/stage.js';

/** consistency o routing o (resilience o pool) per node: a node's chain is what routing sends a trip into. */
export const nodeChain = (resilience: Stage, pool: Stage): Enter => before(resilience, last(pool));

/** The whole trip; `routing` knows the chains of the nodes. */
export const databasePipeline = (consistency: Stage, routing: Stage): Enter =>
  before(consistency, last(routing));
