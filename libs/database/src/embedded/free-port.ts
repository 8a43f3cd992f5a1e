// Picks a TCP port on 127.0.0.1 that nobody listens on and that no outgoing connection will take.
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';

// Below the range that Linux, macOS and Windows hand to outgoing connections (32768 and up): such a
// connection could sit on the port of a server that is down for a moment, and keep it from coming back.
const FIRST_PORT = 20_000;
const PORT_COUNT = 12_000;

/** True when a server could listen on the port. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ host: '127.0.0.1', port, exclusive: true }, () =>
      probe.close(() => resolve(true)),
    );
  });
}

/**
 * A free port. The same `seed` finds the same port again while it is free, so that a database
 * client's saved connection outlives a restart.
 */
export async function findFreePort(seed: string): Promise<number> {
  const start = createHash('sha256').update(seed).digest().readUInt32BE(0);
  for (let step = 0; step < PORT_COUNT; step++) {
    const port = FIRST_PORT + ((start + step) % PORT_COUNT);
    if (await isPortFree(port)) return port;
  }
  throw new Error(
    `No port between ${FIRST_PORT} and ${FIRST_PORT + PORT_COUNT} is free on 127.0.0.1`,
  );
}
