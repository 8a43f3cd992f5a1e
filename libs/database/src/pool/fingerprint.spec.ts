// Who is known as fast, who leaves the lane and for how long.
import { describe, expect, it } from '@jest/globals';
import { Fingerprint, Fingerprints, RoundTrip } from './fingerprint.js';

const roundTripOf = (ms: number): RoundTrip => new RoundTrip(() => ms);

function known(serverMs = 0.3): Fingerprint {
  const fingerprint = new Fingerprint(roundTripOf(0.2));
  for (let run = 0; run < 4; run++) fingerprint.ranAlone(serverMs);
  return fingerprint;
}

const mayShare = (fingerprint: Fingerprint, nowMs = 0): boolean => fingerprint.mayShare(nowMs);

function share(fingerprint: Fingerprint, serviceMs: number, nowMs = 0): void {
  for (let run = 0; run < 64; run++) fingerprint.ranShared(serviceMs, nowMs);
}

describe('Fingerprint', () => {
  it('is fast after four runs whose best was', () => {
    const fingerprint = new Fingerprint(roundTripOf(0.2));
    for (const ms of [9, 0.5, 9]) fingerprint.ranAlone(ms);
    expect(mayShare(fingerprint)).toBe(false);
    fingerprint.ranAlone(9);
    expect(mayShare(fingerprint)).toBe(true);
  });

  it('is slow beyond a millisecond and two round trips', () => {
    expect(mayShare(known(1.39))).toBe(true);
    expect(mayShare(known(1.41))).toBe(false);
  });

  it('a slow one gets another chance with each window of runs', () => {
    const fingerprint = known(5);
    for (let run = 0; run < 64; run++) fingerprint.ranAlone(0.2);
    expect(mayShare(fingerprint)).toBe(true);
    for (let run = 0; run < 64; run++) fingerprint.ranAlone(5);
    expect(mayShare(fingerprint)).toBe(false);
  });

  it('leaves when most of its shared runs are slow, and not for a few', () => {
    const fingerprint = known();
    for (let run = 0; run < 64; run++) fingerprint.ranShared(run % 3 === 0 ? 50 : 0, 0);
    expect(mayShare(fingerprint)).toBe(true);
    share(fingerprint, 0.6);
    expect(mayShare(fingerprint)).toBe(false);
  });

  it('is out for a second, then for two, up to a minute, and begins anew', () => {
    const fingerprint = known();
    let nowMs = 0;
    const outFor: number[] = [];
    for (let time = 0; time < 9; time++) {
      share(fingerprint, 1, nowMs);
      for (let run = 0; run < 8; run++) fingerprint.ranAlone(0.2);
      let outMs = 0;
      while (!mayShare(fingerprint, nowMs + outMs)) outMs += 500;
      outFor.push(outMs);
      nowMs += outMs;
    }
    expect(outFor).toEqual([1, 2, 4, 8, 16, 32, 64, 64, 64].map((s) => s * 1_000));
    share(fingerprint, 0, nowMs);
    share(fingerprint, 1, nowMs);
    for (let run = 0; run < 8; run++) fingerprint.ranAlone(0.2);
    expect(mayShare(fingerprint, nowMs + 1_000)).toBe(true);
  });

  it('is not chosen while one of its runs holds others up', () => {
    const fingerprint = known();
    fingerprint.stalled();
    expect(mayShare(fingerprint)).toBe(false);
    fingerprint.recovered(5, 0);
    expect(mayShare(fingerprint)).toBe(true);
  });

  it('leaves after two runs that took long, a while apart', () => {
    const fingerprint = known();
    const strike = (tookMs: number, nowMs: number): void => {
      fingerprint.stalled();
      fingerprint.recovered(tookMs, nowMs);
    };
    // Rescued from, though not long; and several at once, which are one.
    strike(19, 0);
    strike(25, 200);
    strike(25, 210);
    expect(mayShare(fingerprint, 220)).toBe(true);
    strike(25, 400);
    expect(mayShare(fingerprint, 400)).toBe(false);
  });

  it('is to show anew that its answers are small after one that was not', () => {
    const fingerprint = known();
    const answerOf = (rows: number): object => ({ rows: Array(rows), fields: Array(10) });
    for (const small of [undefined, [], answerOf(0), answerOf(400)]) fingerprint.gave(small);
    expect(mayShare(fingerprint)).toBe(true);
    fingerprint.gave(answerOf(500));
    for (let run = 0; run < 3; run++) fingerprint.ranAlone(0.3);
    expect(mayShare(fingerprint)).toBe(false);
    fingerprint.ranAlone(0.3);
    expect(mayShare(fingerprint)).toBe(true);
  });
});

describe('RoundTrip', () => {
  it('is the least that statements took, and follows a network that becomes slower', () => {
    const roundTrip = new RoundTrip();
    for (const ms of [9, 2.5, 3, 40]) roundTrip.took(ms);
    expect(roundTrip.ms).toBeCloseTo(2.6, 1);
    for (let n = 0; n < 100; n++) roundTrip.took(5);
    expect(roundTrip.ms).toBe(5);
    roundTrip.took(0.1);
    expect(roundTrip.ms).toBe(0.1);
  });

  it('is never more than the probe took: a slow text alone looks like a slow network', () => {
    const roundTrip = new RoundTrip(() => 0.4);
    for (let n = 0; n < 10; n++) roundTrip.took(7);
    expect(roundTrip.ms).toBe(0.4);
    roundTrip.took(0.2);
    expect(roundTrip.ms).toBe(0.2);
  });

  it('lets a text share that takes a round trip and no more, however long that is', () => {
    const roundTrip = new RoundTrip();
    const fingerprints = new Fingerprints(roundTrip);
    for (const ms of [20, 24, 21, 22]) fingerprints.of('far').ranAlone(ms);
    expect(mayShare(fingerprints.of('far'))).toBe(true);
  });
});

describe('Fingerprints', () => {
  it('are those of their shapes, and bounded', () => {
    const fingerprints = new Fingerprints(new RoundTrip());
    const first = fingerprints.of('select 0');
    expect(fingerprints.of('select 0')).toBe(first);
    for (let n = 1; n <= 16_384; n++) fingerprints.of(`select ${n}`);
    expect(fingerprints.of('select 0')).not.toBe(first);
  });

  it('are bounded in characters too', () => {
    const fingerprints = new Fingerprints(new RoundTrip());
    const long = (n: number): string => `select ${n} -- ${'x'.repeat(4_000)}`;
    const first = fingerprints.of(long(0));
    for (let n = 1; n < 900; n++) fingerprints.of(long(n));
    expect(fingerprints.of(long(0))).toBe(first);
    for (let n = 900; n < 1_100; n++) fingerprints.of(long(n));
    expect(fingerprints.of(long(0))).not.toBe(first);
  });
});
