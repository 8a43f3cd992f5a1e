// How a question is put to the server: by which protocol, under which name, in which formats.
import type { Exchange } from './exchange.js';
import type { MessageWriter } from './message-writer.js';
import { mayBeSeveral } from './statement-cache.js';
import type { PreparedStatement, StatementCache } from './statement-cache.js';

/** Writes the messages of one session's questions, but for their Sync. */
export class QuestionWriter {
  /** Whether the session writes dates as ISO 8601 has them: for other ones `pg` has no parser, and gives null. */
  hasIsoDates = true;

  constructor(
    private readonly writer: MessageWriter,
    private readonly cache: StatementCache,
    private readonly keepsBackend: () => boolean,
  ) {}

  /**
   * Chooses the statement that it goes by, or the simple protocol.
   * @throws Error when its name stands for another text.
   */
  choose(exchange: Exchange): void {
    const { statement, values, preface } = exchange.question;
    exchange.prepared = this.findPrepared(statement.text, statement.name, values.length > 0);
    exchange.isExtended =
      exchange.prepared !== undefined || values.length > 0 || preface.length > 0;
  }

  /** Closes what was forgotten, and what is too much; to close what the server does not have is no error. */
  closeForgotten(): void {
    for (const closed of this.cache.takeClosing()) this.writer.closeStatement(closed);
  }

  /** Writes what was chosen. */
  write(exchange: Exchange): void {
    const { prepared } = exchange;
    const { statement, values, preface } = exchange.question;
    const { text, types } = statement;
    if (!exchange.isExtended) {
      this.writer.query(text);
      return;
    }
    for (const command of preface) this.writeCommand(exchange, command);
    this.writeParse(exchange, prepared, text);
    prepared?.layout?.refresh();
    if (this.hasIsoDates && types === undefined) exchange.formats = prepared?.layout?.formats;
    this.writer.bind(prepared?.name ?? '', values, exchange.formats);
    if (prepared?.isDescribed !== true) this.writer.describePortal();
    this.writer.execute();
  }

  private writeCommand(exchange: Exchange, command: string): void {
    const known = this.keepsBackend() ? this.cache.find(command) : undefined;
    this.writeParse(exchange, known, command);
    this.writer.bind(known?.name ?? '', []);
    this.writer.execute();
  }

  private findPrepared(
    text: string,
    name: string | undefined,
    hasValues: boolean,
  ): PreparedStatement | undefined {
    if (!this.keepsBackend()) return undefined;
    if (name !== undefined) return this.cache.named(name, text);
    return !hasValues && mayBeSeveral(text) ? undefined : this.cache.find(text);
  }

  private writeParse(
    exchange: Exchange,
    prepared: PreparedStatement | undefined,
    text: string,
  ): void {
    if (prepared?.isSent === true) return;
    if (prepared !== undefined) prepared.isSent = true;
    // A text alone that nobody keeps needs no account.
    if (prepared !== undefined || exchange.prefaceLeft > 0)
      (exchange.parsing ??= []).push(prepared);
    this.writer.parse(prepared?.name ?? '', text);
  }
}
