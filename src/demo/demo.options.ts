// What may be chosen on the command line.
import { parseArgs } from 'node:util';
import { StartFailure } from '../config/start-failure.js';

/** How the demo runs. */
export interface DemoOptions {
  /** Time of the traffic. @default 15 */
  readonly seconds: number;
  /** Requests under way at a time. @default 32 */
  readonly clients: number;
  /** Where the app is looked for. @default http://localhost:$PORT, 3000 without PORT */
  readonly url: string;
}

const USAGE = 'npm run demo -- [--seconds 15] [--clients 32] [--url http://localhost:3000]';

/** @throws StartFailure for an unknown option, or a value out of range */
export function parseDemoOptions(args: readonly string[], env = process.env): DemoOptions {
  const values = parse(args);
  const url = values.url ?? `http://localhost:${env['PORT'] ?? '3000'}`;
  if (!URL.canParse(url)) throw new StartFailure(`--url "${url}" is no URL`, USAGE);
  return {
    seconds: count('seconds', values.seconds ?? '15', 3_600),
    clients: count('clients', values.clients ?? '32', 1_000),
    url: new URL(url).origin,
  };
}

function parse(args: readonly string[]): { seconds?: string; clients?: string; url?: string } {
  const text = { type: 'string' } as const;
  const options = { seconds: text, clients: text, url: text };
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new StartFailure((error as Error).message, USAGE);
  }
}

function count(name: string, text: string, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new StartFailure(`--${name} "${text}" is not a whole number from 1 to ${max}`, USAGE);
}
