// That a flood on one socket leaves the others their turns, and that nothing is lost by it.
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { newSocket } from '../pg-wire.js';
import { FairReading } from './fair-reading.js';

/** As much as is read at once, and as TLS gives at once. */
const FULL = Buffer.alloc(65_536);
const RECORD = Buffer.alloc(16_384);

class FakeSocket {
  isPaused = false;
  private readonly reading = new FairReading(this as unknown as Socket);
  give({ length }: Buffer): void {
    this.reading.took(length);
  }
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
}

describe('a socket', () => {
  it('rests until the next turn after two reads that were full', async () => {
    const socket = new FakeSocket();
    for (let turn = 0; turn < 3; turn++) {
      socket.give(FULL);
      expect(socket.isPaused).toBe(false);
      socket.give(FULL);
      expect(socket.isPaused).toBe(true);
      await nextTurn();
      expect(socket.isPaused).toBe(false);
    }
  });

  it('rests after as much in the pieces that TLS makes of it, of one turn', async () => {
    const socket = new FakeSocket();
    for (let count = 0; count < 7; count++) socket.give(RECORD);
    await nextTurn();
    for (let count = 0; count < 7; count++) socket.give(RECORD);
    expect(socket.isPaused).toBe(false);
    socket.give(RECORD);
    expect(socket.isPaused).toBe(true);
  });

  it('does not rest for short answers', () => {
    const socket = new FakeSocket();
    for (let count = 0; count < 1_000; count++) socket.give(FULL.subarray(0, 1_000));
    expect(socket.isPaused).toBe(false);
  });

  it.each([
    ['whose bytes are taken as they come', true],
    ['that is read as a stream', false],
  ])('%s gives all that was sent, little of it in one turn', async (_, isTaken) => {
    const bytes = 8 << 20;
    const server = createServer((peer) => peer.end(Buffer.alloc(bytes))).listen(0, '127.0.0.1');
    await once(server, 'listening');
    let [received, ofTurn, mostOfTurn] = [0, 0, 0];
    const count = ({ length }: Buffer): void => {
      received += length;
      if (ofTurn === 0) setImmediate(() => (ofTurn = 0));
      mostOfTurn = Math.max(mostOfTurn, (ofTurn += length));
      reading.took(length);
    };
    const socket = newSocket((chunk) => {
      if (isTaken) count(chunk);
      return isTaken;
    });
    const reading = new FairReading(socket);
    // As `pg` does, without whom nothing would be read.
    socket.on('data', count);
    socket.connect((server.address() as AddressInfo).port, '127.0.0.1');
    await once(socket, 'close');
    server.close();
    expect(received).toBe(bytes);
    expect(mostOfTurn).toBeLessThanOrEqual(3 * FULL.length);
  });
});
