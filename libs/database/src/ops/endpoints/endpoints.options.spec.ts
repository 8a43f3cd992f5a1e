// The slice endpoints: paths, access, two instances.
import { describe, expect, it } from '@jest/globals';
import { ConfigurationError } from '../../kernel/errors.js';
import { Checks } from '../../kernel/option-checks.js';
import { createEndpointControllers } from './endpoint-controllers.js';
import { ENDPOINTS_DEFAULTS, resolveEndpoints } from './endpoints.options.js';
import type { EndpointsOptions } from './endpoints.options.js';

class Guard {
  canActivate(): boolean {
    return true;
  }
}

describe('the slice endpoints', () => {
  const resolve = (given: unknown, isDefaultInstance = true): EndpointsOptions | false => {
    const checks = new Checks();
    const endpoints = resolveEndpoints(given, checks, { isDefaultInstance });
    checks.throwIfAny();
    return endpoints;
  };

  it('is whole and frozen, or false', () => {
    expect(resolve(undefined)).toEqual(ENDPOINTS_DEFAULTS);
    expect(resolve({ metrics: false, guard: Guard })).toEqual({
      path: 'health',
      api: 'api/database',
      metrics: false,
      guard: Guard,
    });
    expect(Object.isFrozen(resolve({}))).toBe(true);
    expect(resolve(false)).toBe(false);
  });

  it('gives a named instance the paths that it names, and no other', () => {
    expect(resolve(undefined, false)).toBe(false);
    expect(resolve({ path: 'health/analytics' }, false)).toEqual({
      path: 'health/analytics',
      api: false,
      metrics: false,
    });
  });

  it.each([
    [{ path: '' }, 'endpoints.path'],
    [{ path: true }, 'endpoints.path'],
    [{ path: 'health/:id' }, 'endpoints.path'],
    [{ api: 'a//b' }, 'endpoints.api'],
    [{ metrics: 'a b' }, 'endpoints.metrics'],
    [{ metrics: '/health/metrics' }, 'gives /health/metrics, which endpoints.path has already'],
    [{ api: 'health' }, 'endpoints.api'],
    [{ guard: new Guard() }, 'endpoints.guard'],
    [{ token: '' }, 'endpoints.token'],
    [{ token: 'two words' }, 'endpoints.token'],
    [{ token: 'abc', guard: Guard }, 'cannot stand beside endpoints.guard'],
    [{ tokens: 'abc' }, 'Did you mean "token"?'],
    [true, 'must be an object'],
  ])('refuses %j', (given, named) => {
    expect(() => resolve(given)).toThrow(ConfigurationError);
    expect(() => resolve(given)).toThrow(named);
  });

  it('shows no token in its refusal', () => {
    expect(() => resolve({ token: 'my secret token' })).toThrow(/^(?!.*my secret)/s);
  });
});

describe('createEndpointControllers', () => {
  const count = (given: unknown, isDefaultInstance = true): number =>
    createEndpointControllers(given, { isDefaultInstance }).length;

  it.each([
    ['all by default', undefined, true, 3],
    ['none when they are off', false, true, 0],
    ['none for a named instance', undefined, false, 0],
    ['those that a named instance names', { metrics: 'metrics/analytics' }, false, 1],
    ['all but what is off', { api: false }, true, 2],
    ['none for options that the start refuses', { path: '' }, true, 0],
  ])('gives %s', (_what, given, isDefaultInstance, expected) => {
    expect(count(given, isDefaultInstance)).toBe(expected);
  });

  it('gives each module classes of its own', () => {
    const [first] = createEndpointControllers(undefined, { isDefaultInstance: true });
    const [second] = createEndpointControllers(undefined, { isDefaultInstance: true });
    expect(first).not.toBe(second);
  });
});
