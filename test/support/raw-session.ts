// A session whose answers are seen as the bytes that the server sent: what a decoder of rows is tried on.
import type { Socket } from 'node:net';
import pg from 'pg';
import type { Column } from '../../libs/database/src/driver/rows/column.js';

/** Rows as they came, each with its message's type and length before it. */
export interface RawRows {
  readonly columns: readonly Column[];
  readonly formats: readonly (0 | 1)[] | undefined;
  /** Where a row's content begins: what a reader of rows is called with. */
  readonly rows: readonly { readonly buffer: Buffer; readonly at: number }[];
}

/** Chooses the formats of a result, once its columns are known. */
export type FormatChoice = (columns: readonly Column[]) => readonly (0 | 1)[] | undefined;

interface Message {
  readonly type: string;
  readonly buffer: Buffer;
  /** The first byte of its content. */
  readonly at: number;
}

function message(type: string, ...parts: readonly (Buffer | number | string)[]): Buffer {
  const body = Buffer.concat(
    parts.map((part) => {
      if (typeof part === 'string') return Buffer.from(`${part}\0`);
      if (typeof part !== 'number') return part;
      const int16 = Buffer.alloc(2);
      int16.writeInt16BE(part);
      return int16;
    }),
  );
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

function readColumns({ buffer, at }: Message): Column[] {
  const columns: Column[] = [];
  let offset = at + 2;
  for (let left = buffer.readInt16BE(at); left > 0; left--) {
    const end = buffer.indexOf(0, offset);
    const name = buffer.toString('utf8', offset, end);
    columns.push({
      name,
      tableID: buffer.readUInt32BE(end + 1),
      columnID: buffer.readInt16BE(end + 5),
      dataTypeID: buffer.readUInt32BE(end + 7),
      dataTypeSize: buffer.readInt16BE(end + 11),
      dataTypeModifier: buffer.readInt32BE(end + 13),
      format: buffer.readInt16BE(end + 17) === 1 ? 'binary' : 'text',
    });
    offset = end + 19;
  }
  return columns;
}

/** One connection, opened by `pg` and spoken to directly. */
export class RawSession {
  private received = Buffer.alloc(0);
  private readonly answers: Message[] = [];
  private ready:
    { resolve: (answers: Message[]) => void; reject: (error: Error) => void } | undefined;

  private constructor(
    private readonly client: pg.Client,
    private readonly socket: Socket,
  ) {
    socket.removeAllListeners('data');
    socket.on('data', (chunk) => this.receive(chunk));
    socket.once('close', () => this.ready?.reject(new Error('the connection was closed')));
  }

  static async open(config: pg.ClientConfig): Promise<RawSession> {
    const client = new pg.Client(config);
    client.on('error', () => undefined);
    await client.connect();
    const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
    return new RawSession(client, stream);
  }

  /** One statement, its columns asked for in the formats chosen. */
  async query(text: string, choose: FormatChoice): Promise<RawRows> {
    const described = await this.ask(message('P', '', text, 0), message('D', Buffer.from('S\0')));
    const description = described.find(({ type }) => type === 'T');
    const columns = description === undefined ? [] : readColumns(description);
    const formats = choose(columns);
    const asked = formats ?? [];
    const bind = message('B', '', '', 0, 0, asked.length, ...asked);
    const answers = await this.ask(bind, message('E', '', Buffer.alloc(4)));
    return { columns, formats, rows: answers.filter(({ type }) => type === 'D') };
  }

  /** A statement without rows, or text by the simple protocol. */
  async simple(text: string): Promise<RawRows> {
    const answers = await this.answersTo(message('Q', text));
    const description = answers.find(({ type }) => type === 'T');
    const columns = description === undefined ? [] : readColumns(description);
    return { columns, formats: undefined, rows: answers.filter(({ type }) => type === 'D') };
  }

  close(): void {
    this.socket.end(message('X'));
    this.client.removeAllListeners();
    this.client.on('error', () => undefined);
  }

  private ask(...messages: readonly Buffer[]): Promise<Message[]> {
    return this.answersTo(Buffer.concat([...messages, message('S')]));
  }

  private answersTo(bytes: Buffer): Promise<Message[]> {
    return new Promise((resolve, reject) => {
      this.ready = { resolve, reject };
      this.socket.write(bytes);
    });
  }

  private receive(chunk: Buffer): void {
    const buffer = Buffer.concat([this.received, chunk]);
    let offset = 0;
    while (offset + 5 <= buffer.length) {
      const end = offset + 1 + buffer.readInt32BE(offset + 1);
      if (end > buffer.length) break;
      this.answers.push({
        type: buffer.toString('latin1', offset, offset + 1),
        buffer,
        at: offset + 5,
      });
      offset = end;
    }
    this.received = buffer.subarray(offset);
    if (this.answers.at(-1)?.type === 'Z') this.settle(this.answers.splice(0));
  }

  private settle(answers: Message[]): void {
    const failure = answers.find(({ type }) => type === 'E');
    if (failure === undefined) this.ready?.resolve(answers);
    else this.ready?.reject(new Error(failure.buffer.toString('utf8', failure.at)));
  }
}
