// The demo's traffic against the app: every request of its mix is one that the app serves.
import { describe, expect, it } from '@jest/globals';
import { PoolWatch } from '../../src/demo/pool-figures.js';
import { summary } from '../../src/demo/summary.view.js';
import { Traffic } from '../../src/demo/traffic.js';
import { waitFor } from '../support/postgres.js';
import { useMarketApp } from './market-app.js';

const market = useMarketApp('demo');

describe('the demo', () => {
  it('drives every route without an error and sees the pool at work', async () => {
    const traffic = new Traffic(market.url);
    const watch = new PoolWatch(market.url);
    await traffic.open();
    const stop = new AbortController();
    const running = traffic.run(16, stop.signal);
    try {
      await waitFor(
        async () => {
          await watch.look();
          return traffic.all.count >= 200 && traffic.kinds.size === 5;
        },
        { describe: '200 requests', timeoutMs: 25_000 },
      );
    } finally {
      stop.abort();
      await running;
    }
    expect(traffic.all.errors).toBe(0);
    const outcomes = traffic.all.byOutcome.map(([outcome]) => outcome);
    expect(outcomes.filter((outcome) => !['200', '201', '422'].includes(outcome))).toEqual([]);
    expect([...traffic.kinds.keys()].sort()).toEqual([
      'candles',
      'order',
      'portfolio',
      'quote',
      'quotes',
    ]);
    const [primary] = watch.peaks;
    expect(primary).toMatchObject({ name: 'primary', max: 10 });
    expect(primary?.peakLeased).toBeGreaterThan(0);
    expect(summary(traffic, 1, watch.peaks)).toMatch(/errors {4}none/);
  });
});
