// That a flood on one socket leaves the others their turns, and that nothing is lost by it.
import { EventEmitter, once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { readFairly } from './fair-reading.js';

/** As much as is read at once, and as TLS gives at once. */
const FULL = Buffer.alloc(65_536);
const RECORD = Buffer.alloc(16_384);

class FakeSocket extends EventEmitter {
  isPaused = false;
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
}

function read(mayPause = true): FakeSocket {
  const socket = new FakeSocket();
  readFairly(
    socket as unknown as Socket,
    () => undefined,
    () => mayPause,
  );
  return socket;
}

describe('a socket', () => {
  it('rests until the next turn after two reads that were full', async () => {
    const socket = read();
    for (let turn = 0; turn < 3; turn++) {
      socket.emit('data', FULL);
      expect(socket.isPaused).toBe(false);
      socket.emit('data', FULL);
      expect(socket.isPaused).toBe(true);
      await nextTurn();
      expect(socket.isPaused).toBe(false);
    }
  });

  it('rests after as much in the pieces that TLS makes of it, of one turn', async () => {
    const socket = read();
    for (let count = 0; count < 7; count++) socket.emit('data', RECORD);
    await nextTurn();
    for (let count = 0; count < 7; count++) socket.emit('data', RECORD);
    expect(socket.isPaused).toBe(false);
    socket.emit('data', RECORD);
    expect(socket.isPaused).toBe(true);
  });

  it('does not rest while somebody else may hold the flow, nor for short answers', () => {
    const lent = read(false);
    for (let count = 0; count < 10; count++) lent.emit('data', FULL);
    expect(lent.isPaused).toBe(false);
    const quick = read();
    for (let count = 0; count < 1_000; count++) quick.emit('data', FULL.subarray(0, 1_000));
    expect(quick.isPaused).toBe(false);
  });

  it('gives all that was sent, little of it in one turn', async () => {
    const bytes = 8 << 20;
    const server = createServer((peer) => peer.end(Buffer.alloc(bytes))).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    let [received, ofTurn, mostOfTurn] = [0, 0, 0];
    const count = ({ length }: Buffer): void => {
      received += length;
      if (ofTurn === 0) setImmediate(() => (ofTurn = 0));
      mostOfTurn = Math.max(mostOfTurn, (ofTurn += length));
    };
    readFairly(socket, count, () => true);
    await once(socket, 'close');
    server.close();
    expect(received).toBe(bytes);
    expect(mostOfTurn).toBeLessThanOrEqual(3 * FULL.length);
  });
});
