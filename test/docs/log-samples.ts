// The log lines that pages quote, made by the code that writes them.
import { ConnectionError } from '../../libs/database/src/kernel/errors.js';
import type { EventMap } from '../../libs/database/src/kernel/event-map.js';
import { EVENT_LINES } from '../../libs/database/src/telemetry/event-lines.js';

function line<Name extends keyof EventMap>(name: Name, facts: EventMap[Name]): string {
  return EVENT_LINES[name]?.(facts)?.text ?? '';
}

const node = 'primary';
const refused = new ConnectionError(
  'Cannot connect to db:5432/shop: connect ECONNREFUSED 10.0.0.5:5432. ' +
    'Nothing listens there: check host and port, and that the server runs.',
);

/** Every line that a page may show. */
export const LOG_LINES: readonly string[] = [
  line('lease:leaked', {
    node,
    backendPid: 4711,
    heldMs: 60_000,
    lastText: 'select 1',
    borrowedAt: undefined,
  }),
  line('pool:saturated', { node, leased: 18, max: 20 }),
  line('pool:overloaded', { node, leased: 20, max: 20, waiting: 640, reason: 'slow' }),
  line('pool:suspended', { node, leased: 3, max: 20, waiting: 0 }),
  line('node:disconnected', { node, error: refused }),
  line('node:reconnected', { node, downMs: 12_400 }),
  line('circuit:opened', { node, openMs: 1_000, error: refused }),
  line('circuit:closed', { node }),
  line('cancel:failed', {
    node,
    backendPid: 4711,
    text: 'select * from orders',
    because: 'no effect',
  }),
  line('pool:closed', { node, tookMs: 12, cancelled: 0, destroyed: 0 }),
  line('pool:closed', { node, tookMs: 12_000, cancelled: 3, destroyed: 1 }),
];
