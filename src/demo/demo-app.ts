// The app that the demo drives: one that runs already, or a child started for it.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { StartFailure } from '../config/start-failure.js';

/** A reachable app. */
export interface DemoApp {
  readonly url: string;
  readonly isOurs: boolean;
  /** Ends the app if it was started for the demo. */
  stop(): Promise<void>;
}

const PROBE_MS = 1_000;
const STOP_MS = 20_000;

/** Takes the app at `url`, or starts one. @throws StartFailure when something else answers there */
export async function findOrStartApp(url: string): Promise<DemoApp> {
  if (await answers(url)) return { url, isOurs: false, stop: () => Promise.resolve() };
  const child = fork(fileURLToPath(new URL('./app.child.js', import.meta.url)), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return { url: await started(child), isOurs: true, stop: () => stop(child) };
}

async function answers(url: string): Promise<boolean> {
  let answer: Response;
  try {
    answer = await fetch(`${url}/market/instruments`, { signal: AbortSignal.timeout(PROBE_MS) });
  } catch {
    return false;
  }
  await answer.body?.cancel();
  if (answer.ok) return true;
  throw new StartFailure(
    `${url} answers ${answer.status}: this is not the app, or it is not ready`,
    'end that program, or name the app: npm run demo -- --url http://localhost:3001',
  );
}

function started(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('message', (message: { url: string }) => resolve(message.url));
    child.once('exit', () => {
      reject(new StartFailure('The app could not be started', 'see its own message above'));
    });
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  const force = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  child.kill('SIGTERM');
  await exit;
  clearTimeout(force);
}
