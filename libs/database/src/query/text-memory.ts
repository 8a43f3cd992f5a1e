// What is remembered of texts, within limits: an application that puts values into its texts never sends one twice.

/** Texts that are remembered, and their characters in all; the oldest one goes first. */
const MAX_REMEMBERED = { texts: 16_384, characters: 4_000_000 };

/** Remembers something of each text. */
export class TextMemory<Value> {
  private readonly known = new Map<string, Value>();
  private characters = 0;
  /**
   * One iterator for all that goes. A new one each time has to pass the holes of those that went before: 7.5 us a text,
   * against 1.
   */
  private oldest: Iterator<string> | undefined;

  get(text: string): Value | undefined {
    return this.known.get(text);
  }

  /** Adds a text that is not known yet. */
  add(text: string, value: Value): void {
    this.known.set(text, value);
    this.characters += text.length;
    while (this.known.size > MAX_REMEMBERED.texts || this.characters > MAX_REMEMBERED.characters) {
      this.forgetOldest();
    }
  }

  private forgetOldest(): void {
    this.oldest ??= this.known.keys();
    const next = this.oldest.next();
    // It has come to the end: what is added behind its end it does not see.
    if (next.done === true) {
      this.oldest = undefined;
      return;
    }
    this.known.delete(next.value);
    this.characters -= next.value.length;
  }
}
