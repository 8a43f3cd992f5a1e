import { describe, expect, it } from '@jest/globals';
import { ProgressView } from './progress.view.js';

function terminal(isTTY: boolean) {
  const written: string[] = [];
  return { written, isTTY, write: (text: string) => written.push(text) };
}

describe('ProgressView', () => {
  it('draws the bar over itself on a terminal, and takes it away', () => {
    const tty = terminal(true);
    const view = new ProgressView('importing', 200, tty);
    view.show(100, '7 rows');
    view.clear();
    expect(tty.written).toHaveLength(2);
    expect(tty.written[0]).toMatch(/^\r.*importing █{14}░{14} {2}50 % 7 rows$/);
    expect(tty.written[1]).toMatch(/^\r/);
  });

  it('never goes beyond all of it', () => {
    const tty = terminal(true);
    new ProgressView('importing', 10, tty).show(11, '');
    expect(tty.written[0]).toContain('100 %');
  });

  it('draws no more often than eyes can see', () => {
    const tty = terminal(true);
    const view = new ProgressView('importing', 10_000, tty);
    for (let done = 0; done < 1_000; done++) view.show(done, '');
    expect(tty.written.length).toBeLessThan(10);
  });

  it('writes nothing to a file', () => {
    const file = terminal(false);
    const view = new ProgressView('importing', 10, file);
    view.show(5, '');
    view.clear();
    expect(file.written).toEqual([]);
  });
});
