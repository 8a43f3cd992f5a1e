// What a fake server answers to the probe of its node.
import type { FakeAnswer } from './fake-answer.js';
import type { FakeConnection } from './fake-connection.js';

/** The row of a primary on its first timeline, met without a pooler in between. */
const PRIMARY = {
  replica: false,
  lsn: '0/1',
  inserted: '0/1',
  received: null,
  replay_age_ms: null,
  followed: null,
  walfile: '000000010000000000000001',
  system_id: '7',
  version: 180_000,
};

/** The answer to a probe; undefined for a statement that is none. */
export function answerProbe(
  { text }: { readonly text: string },
  { backendPid }: Pick<FakeConnection, 'backendPid'>,
): FakeAnswer | undefined {
  return text.includes('pg_is_in_recovery')
    ? { rows: [{ ...PRIMARY, pid: backendPid }] }
    : undefined;
}
