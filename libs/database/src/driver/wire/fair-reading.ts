// Reads a socket no faster than its neighbours: a flood on one of them does not hold up the others.
import type { Socket } from 'node:net';

/**
 * What a socket may give in one turn of the event loop, in bytes: twice what libuv reads at once; with half of it the
 * turns cost a tenth more. A read that fills its buffer is followed by up to 31 more before any other socket has its turn.
 * Where callers ask again as soon as they are answered, and on the same connection, that is 2 MB and 40 ms: of 64
 * callers half were answered within 4 ms and the slowest after 100.
 */
const TURN_BYTES = 131_072;
/** Smaller chunks are not counted: behind them the socket is empty. No record of TLS gives more at once. */
const LARGE_BYTES = 16_384;

/** Hands over what comes from the socket, in turns while `mayPause`: otherwise somebody else may hold the flow. */
export function readFairly(
  socket: Socket,
  received: (chunk: Buffer) => void,
  mayPause: () => boolean,
): void {
  let bytes = 0;
  let isPaused = false;
  const nextTurn = (): void => {
    bytes = 0;
    if (!isPaused) return;
    isPaused = false;
    socket.resume();
  };
  socket.on('data', (chunk: Buffer) => {
    received(chunk);
    if (chunk.length < LARGE_BYTES || !mayPause()) return;
    if (bytes === 0) setImmediate(nextTurn);
    bytes += chunk.length;
    if (bytes < TURN_BYTES || isPaused) return;
    isPaused = true;
    socket.pause();
  });
}
