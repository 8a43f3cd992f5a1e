// `npm run demo`: live traffic against the app, the pool's figures meanwhile, a summary at the end.
import { setTimeout as sleep } from 'node:timers/promises';
import { failureText } from '../terminal/failure.view.js';
import { type DemoApp, findOrStartApp } from './demo-app.js';
import { type DemoOptions, parseDemoOptions } from './demo.options.js';
import { PoolWatch } from './pool-figures.js';
import { ScreenView } from './screen.view.js';
import { summary } from './summary.view.js';
import { Traffic } from './traffic.js';

const LOOK_MS = 250;
const LOOKS_PER_PICTURE = 4;

/** Drives the app for the given time, or until the signal. */
async function drive(app: DemoApp, options: DemoOptions, interrupted: AbortSignal): Promise<void> {
  const { seconds, clients } = options;
  const traffic = new Traffic(app.url);
  const watch = new PoolWatch(app.url);
  await traffic.open();
  console.log(`\n  ${clients} clients against ${app.url} for ${seconds} s\n`);
  const startedAtMs = performance.now();
  const elapsedSeconds = (): number => (performance.now() - startedAtMs) / 1_000;
  const stop = AbortSignal.any([interrupted, AbortSignal.timeout(seconds * 1_000)]);
  const running = traffic.run(clients, stop);
  await showUntil(stop, traffic, watch, { totalSeconds: seconds, elapsedSeconds });
  await running;
  console.log(summary(traffic, elapsedSeconds(), watch.peaks));
  if (traffic.all.errors > 0) process.exitCode = 1;
}

async function showUntil(
  stop: AbortSignal,
  traffic: Traffic,
  watch: PoolWatch,
  time: { readonly totalSeconds: number; elapsedSeconds(): number },
): Promise<void> {
  const screen = new ScreenView();
  let shownAtSeconds = 0;
  for (let looks = 1; !stop.aborted; looks++) {
    await sleep(LOOK_MS, undefined, { signal: stop }).catch(() => undefined);
    await watch.look();
    if (looks % LOOKS_PER_PICTURE !== 0 || stop.aborted) continue;
    const elapsedSeconds = time.elapsedSeconds();
    screen.show({
      elapsedSeconds,
      totalSeconds: time.totalSeconds,
      span: traffic.takeSpan(),
      spanSeconds: elapsedSeconds - shownAtSeconds,
      errors: traffic.all.errors,
      pools: watch.latest,
    });
    shownAtSeconds = elapsedSeconds;
  }
}

async function main(): Promise<void> {
  // scripts/start.mjs is told which program of dist to become, before the program's own arguments.
  const given = process.argv.slice(2).filter((argument) => argument !== 'demo/main.js');
  const options = parseDemoOptions(given);
  const interrupt = new AbortController();
  const end = (): void => interrupt.abort();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end);
  const app = await findOrStartApp(options.url);
  try {
    await drive(app, options, interrupt.signal);
  } finally {
    await app.stop();
  }
}

try {
  await main();
} catch (error) {
  console.error(failureText(error));
  process.exitCode = 1;
}
