// The slice telemetry: whole and frozen, or refused.
import { describe, expect, it } from '@jest/globals';
import { ConfigurationError } from '../kernel/errors.js';
import { Checks } from '../kernel/option-checks.js';
import { resolveTelemetry, TELEMETRY_DEFAULTS } from './telemetry.options.js';
import type { TelemetryOptions } from './telemetry.options.js';

describe('the slice telemetry', () => {
  const resolve = (given: unknown): TelemetryOptions | false => {
    const checks = new Checks();
    const telemetry = resolveTelemetry(given, checks);
    checks.throwIfAny();
    return telemetry;
  };

  it('is whole and frozen, or false', () => {
    expect(resolve(undefined)).toEqual(TELEMETRY_DEFAULTS);
    expect(resolve({ log: false })).toEqual({ ...TELEMETRY_DEFAULTS, log: false });
    expect(Object.isFrozen(resolve({}))).toBe(true);
    expect(resolve(false)).toBe(false);
  });

  it.each([
    [{ log: 'yes' }],
    [{ logRepeatMs: 10 }],
    [{ logBurst: 0 }],
    [{ windowMs: 100 }],
    [{ logs: true }],
    [[]],
  ])('refuses %j', (given) => {
    expect(() => resolve(given)).toThrow(ConfigurationError);
  });
});
