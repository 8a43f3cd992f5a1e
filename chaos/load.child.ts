// The clients' process. Told what to do by its parent; everything that happens in it goes to the journal.
import { DatabaseCore } from '../libs/database/src/database.core.js';
import { resolveOptions } from '../libs/database/src/database.options.js';
import { DatabaseService } from '../libs/database/src/database.service.js';
import { Journal, nowMs } from './journal.js';
import type { LoadOrder, LoadReply, LoadTask } from './load.js';
import { Random } from './random.js';
import { loadOptions } from './settings.js';
import { Workers } from './workers.js';

const task = JSON.parse(process.argv[2] ?? '') as LoadTask;
const journal = new Journal(task.journalPath);

// Nobody may see such an error in an application that uses the library as it should: it would be its end.
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    journal.write({ type: 'crash', atMs: nowMs(), message: `${event}: ${message}` });
  });
}
// Ctrl-C is sent to the whole group: the parent decides when this process ends.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(3));

const [writer, unproven, reader] = (['writer', 'unproven', 'reader'] as const).map(
  (name) => new DatabaseCore(resolveOptions(loadOptions(name, task.urls))),
) as [DatabaseCore, DatabaseCore, DatabaseCore];
const cores = [writer, unproven, reader];
await Promise.all(cores.map((core) => core.start()));
const workers = new Workers({
  writer: new DatabaseService(writer),
  unproven: new DatabaseService(unproven),
  reader: new DatabaseService(reader),
  journal,
  random: new Random(task.seed),
});

const reply = (message: LoadReply): void => void process.send?.(message);
process.on('message', (order: LoadOrder) => {
  void obey(order);
});

async function obey(order: LoadOrder): Promise<void> {
  switch (order.do) {
    case 'start':
      workers.start();
      return;
    case 'drain':
      reply({ did: 'drain', pending: await workers.stop(order.timeoutMs) });
      return;
    case 'close':
      await Promise.all(cores.map((core) => core.close()));
      reply({ did: 'close', pending: [] });
      // Nothing else may keep the process alive: what does is a handle that the library has left behind.
      process.removeAllListeners('disconnect');
      process.disconnect();
      return;
  }
}
reply({ did: 'open', pending: [] });
