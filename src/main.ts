// `npm start`: starts the app and says what to open.
import 'reflect-metadata';
import { appConfigFromEnv } from './config/app.config.js';
import { startServer } from './server.js';
import { failureText } from './terminal/failure.view.js';
import { welcome } from './terminal/welcome.view.js';

try {
  const { url } = await startServer(appConfigFromEnv().port);
  console.log(welcome(url));
} catch (error) {
  console.error(failureText(error));
  process.exitCode = 1;
}
