// The app as a child of the demo: on a free port, and never longer than the demo itself.
import 'reflect-metadata';
import { startServer } from '../server.js';
import { failureText } from '../terminal/failure.view.js';

// The channel closes when the demo ends, however it ends.
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));

try {
  const { app, url } = await startServer(0);
  // From here on the terminal is the demo's; what the pool warns of is in its table.
  app.useLogger(['error', 'fatal']);
  process.send?.({ url });
} catch (error) {
  console.error(failureText(error));
  process.exit(1);
}
