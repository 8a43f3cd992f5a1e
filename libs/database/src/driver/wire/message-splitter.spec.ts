// Messages come out whole, however the network cuts what carries them.
import { describe, expect, it } from '@jest/globals';
import { MessageSplitter } from './message-splitter.js';

/** A message of a type with this content. */
function message(type: string, content: string): Buffer {
  const header = Buffer.alloc(5);
  header.write(type);
  header.writeInt32BE(4 + Buffer.byteLength(content), 1);
  return Buffer.concat([header, Buffer.from(content)]);
}

/** What comes out of these chunks, as `type:content`; the four bytes of the length stand before the content. */
function split(chunks: readonly Buffer[]): string[] {
  const seen: string[] = [];
  const splitter = new MessageSplitter((type, buffer, at, end) => {
    expect(buffer.readInt32BE(at - 4)).toBe(end - at + 4);
    expect(buffer[at - 5]).toBe(type);
    seen.push(`${String.fromCharCode(type)}:${buffer.toString('utf8', at, end)}`);
  });
  for (const chunk of chunks) splitter.feed(chunk);
  return seen;
}

const MESSAGES = [
  message('Z', 'I'),
  message('1', ''),
  message('D', 'wide as a row'),
  message('n', ''),
];
const WHOLE = Buffer.concat(MESSAGES);
const EXPECTED = ['Z:I', '1:', 'D:wide as a row', 'n:'];

describe('MessageSplitter', () => {
  it('hands over many messages of one chunk', () => {
    expect(split([WHOLE])).toEqual(EXPECTED);
  });

  it('does not mind where a chunk ends: every pair of cuts', () => {
    for (let first = 0; first <= WHOLE.length; first++) {
      for (let second = first; second <= WHOLE.length; second++) {
        const chunks = [
          WHOLE.subarray(0, first),
          WHOLE.subarray(first, second),
          WHOLE.subarray(second),
        ];
        expect(split(chunks)).toEqual(EXPECTED);
      }
    }
  });

  it('takes bytes that come one by one', () => {
    expect(split(Array.from(WHOLE, (byte) => Buffer.from([byte])))).toEqual(EXPECTED);
  });

  it('copies a large message once, whatever the number of its chunks', () => {
    const content = 'x'.repeat(20_000_000);
    const large = message('D', content);
    const chunks: Buffer[] = [];
    for (let at = 0; at < large.length; at += 65_536) chunks.push(large.subarray(at, at + 65_536));
    const before = process.memoryUsage().arrayBuffers;
    let length = 0;
    const splitter = new MessageSplitter((_, __, at, end) => (length = end - at));
    for (const chunk of chunks) splitter.feed(chunk);
    expect(length).toBe(content.length);
    // One copy of the whole, and not one more for each chunk.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 * large.length);
  });

  it('may be fed by what it has called, and goes on behind it', () => {
    const seen: number[] = [];
    const splitter: MessageSplitter = new MessageSplitter((type) => {
      seen.push(type);
      if (seen.length === 1) splitter.feed(message('S', 'inner'));
    });
    splitter.feed(Buffer.concat([message('A', 'outer'), message('B', 'next')]));
    expect(String.fromCharCode(...seen)).toBe('ASB');
  });
});
