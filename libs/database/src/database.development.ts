// A real PostgreSQL for development, when the options name none.
import type { EmbeddedPostgres } from './embedded/embedded-postgres.js';

/**
 * Starts it, or joins the one that another process of the project has started. The code is loaded only
 * here: production never sees it.
 * @throws EmbeddedPostgresError with the mend, when it cannot be started.
 */
export async function startDevelopmentServer(): Promise<EmbeddedPostgres> {
  const embedded = await import('./embedded/embedded-postgres.js');
  return embedded.EmbeddedPostgres.start();
}
