// Makes the app and lets it listen; main.ts, the demo and the tests start it through here.
import { createServer } from 'node:net';
import type { INestApplication, LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
import { AppLogger } from './config/app.logger.js';
import { StartFailure } from './config/start-failure.js';
import { mountDocs } from './docs/openapi.js';

/** A listening app; whoever starts it closes it. */
export interface RunningServer {
  readonly app: INestApplication;
  /** Such as `http://localhost:3000`. */
  readonly url: string;
}

/**
 * Builds the app, sets up its database and listens.
 * @param logger `false` says nothing
 * @throws StartFailure when the port cannot be had
 */
export async function startServer(
  port: number,
  logger: LoggerService | false = new AppLogger(),
): Promise<RunningServer> {
  const app = await NestFactory.create(AppModule, { abortOnError: false, logger });
  try {
    app.enableShutdownHooks();
    mountDocs(app);
    await app.listen(port);
    return { app, url: `http://localhost:${new URL(await app.getUrl()).port || 80}` };
  } catch (error) {
    await app.close();
    throw await explain(error, port);
  }
}

async function explain(error: unknown, port: number): Promise<unknown> {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') {
    const free = await findFreePort();
    return new StartFailure(
      `Port ${port} is taken by another program`,
      `take another one: PORT=${free} npm start`,
      error,
    );
  }
  if (code === 'EACCES') {
    const mend = 'take one above 1023, such as PORT=3000';
    return new StartFailure(`This user may not listen on port ${port}`, mend, error);
  }
  return error;
}

function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
