// Ends our servers when this process ends, on whatever way it still controls.

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const REGISTRY = Symbol.for('nestjs-database.embedded.exit-guard');

interface Registry {
  readonly onExit: Set<() => void>;
  readonly onSignal: Set<() => void>;
}

/** How an action is guarded. */
export interface GuardOptions {
  /** Also catch the signals that end a process; needed where the kernel does not tell the child itself. */
  readonly onSignals: boolean;
}

/** Runs a synchronous `action` when the process ends. Returns the function that withdraws it. */
export function endWithProcess(action: () => void, options: GuardOptions): () => void {
  const registry = findRegistry();
  const sets = options.onSignals ? [registry.onExit, registry.onSignal] : [registry.onExit];
  for (const set of sets) set.add(action);
  watchSignals(registry);
  return () => {
    for (const set of sets) set.delete(action);
    if (registry.onSignal.size === 0) unwatchSignals();
  };
}

/** One per process, however many copies of this module are loaded: each would count the others' listeners as the app's. */
function findRegistry(): Registry {
  const holder = process as typeof process & { [REGISTRY]?: Registry };
  const existing = holder[REGISTRY];
  if (existing !== undefined) return existing;
  const registry: Registry = { onExit: new Set(), onSignal: new Set() };
  holder[REGISTRY] = registry;
  process.on('exit', () => runAll(registry.onExit));
  return registry;
}

function runAll(actions: Iterable<() => void>): void {
  for (const action of actions) {
    try {
      action();
    } catch {
      // The process is ending: the remaining servers matter more than this one's complaint.
    }
  }
}

const handlers = new Map<NodeJS.Signals, () => void>();

function watchSignals(registry: Registry): void {
  if (registry.onSignal.size === 0 || handlers.size > 0) return;
  for (const signal of SIGNALS) {
    const handler = (): void => {
      // An app with a listener of its own decides when to end; it still needs the server until then.
      if (process.listenerCount(signal) > 1) return;
      runAll(registry.onSignal);
      unwatchSignals();
      process.kill(process.pid, signal);
    };
    handlers.set(signal, handler);
    // First in the row: a `once` listener of the app is not counted any more after its turn.
    process.prependListener(signal, handler);
  }
}

function unwatchSignals(): void {
  for (const [signal, handler] of handlers) process.removeListener(signal, handler);
  handlers.clear();
}
