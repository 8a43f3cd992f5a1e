// `npm start`: starts the app and says what to open.
import 'reflect-metadata';
import { appConfigFromEnv } from './config/app.config.js';
import { StartFailure } from './config/start-failure.js';
import { startServer } from './server.js';
import { welcome } from './terminal/welcome.view.js';

try {
  const { url } = await startServer(appConfigFromEnv().port);
  console.log(welcome(url));
} catch (error) {
  if (error instanceof StartFailure) console.error(`✗ ${error.message}\n  mend: ${error.mend}`);
  else console.error(error);
  process.exitCode = 1;
}
