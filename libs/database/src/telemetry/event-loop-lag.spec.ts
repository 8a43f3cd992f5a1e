// How late timers are served.
import { expect, it } from '@jest/globals';
import { FakeClock } from '../testing/fake-clock.js';
import { EventLoopLag } from './event-loop-lag.js';

/** A clock whose timers come late by what the test says. */
class LateClock extends FakeClock {
  lateMs = 0;

  override monotonicMs(): number {
    return super.monotonicMs() + this.lateMs;
  }
}

it('sees a stall and forgets it after its window', () => {
  const clock = new LateClock();
  const lag = new EventLoopLag(clock, 60_000);
  expect(lag.figures()).toBeUndefined();
  lag.start();
  clock.advanceMs(1_000);
  expect(lag.figures()?.maxMs).toBe(0);
  clock.lateMs = 250;
  clock.advanceMs(50);
  expect(lag.figures()?.maxMs).toBe(250);
  clock.advanceMs(70_000);
  expect(lag.figures()?.maxMs).toBe(0);
  lag.stop();
  expect(clock.pendingTimers).toBe(0);
});
