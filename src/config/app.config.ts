// What the app itself reads from the environment; the database's part is `databaseOptionsFromEnv()`.
import { StartFailure } from './start-failure.js';

/** Settings of the HTTP server. */
export interface AppConfig {
  /** TCP port; 0 takes any free one. @default 3000 */
  readonly port: number;
}

const DEFAULT_PORT = 3_000;

/** Reads and checks the environment. @throws StartFailure */
export function appConfigFromEnv(env: NodeJS.ProcessEnv = process.env): AppConfig {
  const text = env['PORT']?.trim();
  if (text === undefined || text === '') return { port: DEFAULT_PORT };
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new StartFailure(
      `PORT is "${text}", which is no port`,
      `set a number from 0 to 65535 (0 takes any free port), or leave it out for ${DEFAULT_PORT}`,
    );
  }
  return { port };
}
