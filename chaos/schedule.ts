// Which faults strike, in which order, where and for how long: a function of the seed alone.
import { Random } from './random.js';

/** What may strike; faults.ts tells what each of them does. */
export type FaultKind =
  | 'kill'
  | 'promote'
  | 'switchover'
  | 'pause'
  | 'replica-stop'
  | 'blackhole'
  | 'drop-responses'
  | 'drop-requests'
  | 'reset'
  | 'refuse'
  | 'delay'
  | 'connection-limit';

/** Which server it hits; roles as they are when it strikes. */
export type FaultTarget = 'primary' | 'replica' | 'both';

/** One fault to come. */
export interface PlannedFault {
  readonly kind: FaultKind;
  readonly target: FaultTarget;
  /** Peace before it, in ms. */
  readonly calmMs: number;
  /** From its strike to the beginning of its heal, in ms. */
  readonly lastsMs: number;
  /** Added to every piece of data, each way, by `delay`, in ms; 0 for the others. */
  readonly delayMs: number;
}

interface FaultRange {
  readonly targets: readonly FaultTarget[];
  /** Shortest and longest, in ms. */
  readonly lastsMs: readonly [number, number];
}

const ON_THE_LINE: readonly FaultTarget[] = ['primary', 'replica', 'both'];
const CALM_MS = [200, 1_200] as const;
const DELAY_MS = [20, 1_500] as const;

/** Long enough to outlast a statement's limit now and then, short enough for a minute to hold all of them. */
const RANGES: Readonly<Record<FaultKind, FaultRange>> = {
  kill: { targets: ['primary'], lastsMs: [0, 1_500] },
  promote: { targets: ['primary'], lastsMs: [0, 1_000] },
  switchover: { targets: ['primary'], lastsMs: [0, 300] },
  pause: { targets: ['primary', 'replica'], lastsMs: [500, 4_000] },
  'replica-stop': { targets: ['replica'], lastsMs: [500, 3_000] },
  blackhole: { targets: ON_THE_LINE, lastsMs: [500, 4_000] },
  'drop-responses': { targets: ON_THE_LINE, lastsMs: [200, 2_500] },
  'drop-requests': { targets: ON_THE_LINE, lastsMs: [200, 2_500] },
  reset: { targets: ON_THE_LINE, lastsMs: [0, 1_500] },
  refuse: { targets: ON_THE_LINE, lastsMs: [200, 1_500] },
  delay: { targets: ON_THE_LINE, lastsMs: [500, 3_000] },
  'connection-limit': { targets: ['primary'], lastsMs: [500, 2_500] },
};

/** All kinds. */
export const FAULT_KINDS = Object.keys(RANGES) as readonly FaultKind[];

/**
 * The faults of a run, more than its time has room for: strikes and heals take time too. Every kind comes
 * once before one comes again.
 */
export function planFaults(seed: number, seconds: number): PlannedFault[] {
  const random = new Random(seed);
  const planned: PlannedFault[] = [];
  let totalMs = 0;
  while (totalMs < seconds * 1_000) {
    for (const kind of random.shuffle(FAULT_KINDS)) {
      const fault = planFault(kind, random);
      planned.push(fault);
      totalMs += fault.calmMs + fault.lastsMs;
    }
  }
  return planned;
}

function planFault(kind: FaultKind, random: Random): PlannedFault {
  const { targets, lastsMs } = RANGES[kind];
  return {
    kind,
    target: random.pick(targets),
    calmMs: random.whole(...CALM_MS),
    lastsMs: random.whole(...lastsMs),
    delayMs: kind === 'delay' ? random.whole(...DELAY_MS) : 0,
  };
}
