// A process of a user of the embedded server; the suites start, signal and kill it. Speaks JSON, a line per step.
import { EmbeddedPostgres } from '../../libs/database/src/embedded/index.js';
import { sql } from '../support/sql.js';

const [dataDir = '', ending = 'stay'] = process.argv.slice(2);
const tell = (message: object): void => void process.stdout.write(`${JSON.stringify(message)}\n`);

if (ending === 'drain') {
  // An app that still needs its database after the signal.
  process.once('SIGTERM', () => {
    const drain = async (): Promise<void> => {
      const rows = await sql(server.url, 'select 1 as answer from pg_sleep(0.3)');
      tell({ drained: rows });
      await server.stop();
      process.exit(0);
    };
    drain().catch((error: unknown) => {
      tell({ error: String(error) });
      process.exit(1);
    });
  });
}

const server = await EmbeddedPostgres.start({
  dataDir,
  onProgress: (step) => tell({ step }),
}).catch((error: unknown) => {
  tell({ error: error instanceof Error ? error.message : String(error) });
  process.exit(1);
});
const { pid, port, url, isBorrowed } = server;
tell({ started: { pid, port, url, isBorrowed } });
if (ending === 'exit') process.exit(0);
if (ending === 'throw') throw new Error('as a bug would');
if (ending !== 'return') setInterval(() => undefined, 60_000);
