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

/** The turns of one socket. Who holds the flow meanwhile tells nothing of what he takes. */
export class FairReading {
  private bytes = 0;
  private isPaused = false;

  constructor(private readonly socket: Pick<Socket, 'pause' | 'resume'>) {}

  /** The socket gave as much: when that is a turn, it rests until the next one. */
  took(bytes: number): void {
    if (bytes < LARGE_BYTES) return;
    if (this.bytes === 0) setImmediate(this.nextTurn);
    this.bytes += bytes;
    if (this.bytes < TURN_BYTES || this.isPaused) return;
    this.isPaused = true;
    this.socket.pause();
  }

  private readonly nextTurn = (): void => {
    this.bytes = 0;
    if (!this.isPaused) return;
    this.isPaused = false;
    this.socket.resume();
  };
}
