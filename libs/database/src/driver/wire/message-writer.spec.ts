import { describe, expect, it } from '@jest/globals';
import { MessageWriter } from './message-writer.js';

/** A text of `length` units whose last one is `end`. */
const endingWith = (end: string, length: number): string =>
  end.padStart(Math.max(length, end.length), 'a');

const ENDS = ['', 'z', '\u007f', '\u0080', 'é', '\uffff', '😀', '\ud83d', '\0'];
const LENGTHS = [0, 1, 2, 11, 12, 13, 64];
const TEXTS = ENDS.flatMap((end) => LENGTHS.map((length) => endingWith(end, length)));

describe('MessageWriter', () => {
  it.each(TEXTS)('writes a value as UTF-8 has it: %j', (text) => {
    const writer = new MessageWriter();
    writer.bind('', [text]);
    const sent = writer.take();
    const expected = Buffer.from(text);
    // Type, length, portal, name, no formats, one value, and its length are before it; no formats of the result behind.
    const at = 5 + 1 + 1 + 2 + 2;
    expect(sent.readInt32BE(at)).toBe(expected.length);
    expect(sent.subarray(at + 4, -2)).toEqual(expected);
  });

  it('puts each text into a message of its own length', () => {
    const writer = new MessageWriter();
    const texts = TEXTS.filter((text) => !text.includes('\0'));
    for (const text of texts) writer.query(text);
    const sent = writer.take();
    let at = 0;
    for (const text of texts) {
      const bytes = Buffer.from(`${text}\0`);
      expect(sent.readInt32BE(at + 1)).toBe(4 + bytes.length);
      expect(sent.subarray(at + 5, at + 5 + bytes.length)).toEqual(bytes);
      at += 5 + bytes.length;
    }
    expect(at).toBe(sent.length);
  });
});
