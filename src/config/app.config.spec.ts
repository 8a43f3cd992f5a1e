import { describe, expect, it } from '@jest/globals';
import { appConfigFromEnv } from './app.config.js';
import { StartFailure } from './start-failure.js';

describe('appConfigFromEnv', () => {
  it.each([
    [undefined, 3_000],
    ['', 3_000],
    ['0', 0],
    ['8080', 8_080],
  ])('PORT=%s is %i', (text, port) => {
    expect(appConfigFromEnv({ PORT: text })).toEqual({ port });
  });

  it.each(['-1', '65536', '80.5', 'http'])('PORT=%s is refused', (text) => {
    expect(() => appConfigFromEnv({ PORT: text })).toThrow(StartFailure);
  });
});
