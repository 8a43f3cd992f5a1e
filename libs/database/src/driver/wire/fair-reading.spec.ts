// That a flood on one socket leaves the others their turns, and that nothing is lost by it.
import { EventEmitter, once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { readFairly } from './fair-reading.js';

const FULL = Buffer.alloc(65_536);

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
  it('rests until the next turn after as much as is read at once', async () => {
    const socket = read();
    socket.emit('data', FULL);
    expect(socket.isPaused).toBe(true);
    await nextTurn();
    expect(socket.isPaused).toBe(false);
    socket.emit('data', FULL);
    expect(socket.isPaused).toBe(true);
  });

  it('rests after as much in the pieces that TLS makes of it, of one turn', async () => {
    const socket = read();
    for (let count = 0; count < 3; count++) socket.emit('data', FULL.subarray(0, 16_384));
    expect(socket.isPaused).toBe(false);
    await nextTurn();
    for (let count = 0; count < 3; count++) socket.emit('data', FULL.subarray(0, 16_384));
    expect(socket.isPaused).toBe(false);
    socket.emit('data', FULL.subarray(0, 16_384));
    expect(socket.isPaused).toBe(true);
  });

  it('does not rest while somebody else may hold the flow, nor for short answers', () => {
    const lent = read(false);
    lent.emit('data', FULL);
    expect(lent.isPaused).toBe(false);
    const quick = read();
    for (let count = 0; count < 1_000; count++) quick.emit('data', FULL.subarray(0, 1_000));
    expect(quick.isPaused).toBe(false);
  });

  it('gives all that was sent, two chunks a turn at most', async () => {
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
    expect(mostOfTurn).toBeLessThanOrEqual(2 * FULL.length);
  });
});
