import { describe, expect, it } from '@jest/globals';
import { parseDemoOptions } from './demo.options.js';

describe('parseDemoOptions', () => {
  it('has defaults, and finds the app where PORT says', () => {
    expect(parseDemoOptions([], {})).toEqual({
      seconds: 15,
      clients: 32,
      url: 'http://localhost:3000',
    });
    expect(parseDemoOptions([], { PORT: '8080' }).url).toBe('http://localhost:8080');
  });

  it('takes what is given', () => {
    const args = ['--seconds', '3', '--clients=5', '--url', 'http://10.0.0.1:81/path'];
    expect(parseDemoOptions(args, {})).toEqual({
      seconds: 3,
      clients: 5,
      url: 'http://10.0.0.1:81',
    });
  });

  it.each([
    [['--seconds', '0'], /--seconds "0"/],
    [['--seconds', '1.5'], /--seconds "1.5"/],
    [['--clients', 'many'], /--clients "many"/],
    [['--url', 'nowhere'], /--url "nowhere"/],
    [['--fast'], /--fast/],
    [['5'], /'5'/],
  ])('refuses %j with the usage', (args, message) => {
    const parse = (): unknown => parseDemoOptions(args, {});
    expect(parse).toThrow(message);
    expect(parse).toThrow(
      expect.objectContaining({ mend: expect.stringContaining('npm run demo') }),
    );
  });
});
