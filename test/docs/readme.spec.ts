// The README is run: its snippets as one application, its commands against package.json, its links against the files.
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { DatabaseService } from 'nestjs-database';
import { useTestDatabase } from '../support/postgres.js';
import { layOut, readSnippets, root } from './snippets.js';

const database = useTestDatabase('readme');
let page: Awaited<ReturnType<typeof layOut>>;
const before = process.env['DATABASE_URL'];

beforeAll(async () => {
  page = await layOut('README.md');
  process.env['DATABASE_URL'] = database.url;
  await database.sql('create table app_user (id int, email text)');
  await database.sql(`insert into app_user values (1, 'ada@example.org')`);
  await database.sql('create table account (id int, cents int)');
  await database.sql('insert into account values (1, 500), (2, 0)');
});
afterAll(async () => {
  await page.remove();
  if (before === undefined) delete process.env['DATABASE_URL'];
  else process.env['DATABASE_URL'] = before;
});

async function load(file: string, name: string): Promise<new (...args: never[]) => never> {
  const module = (await import(join(page.directory, file))) as Record<string, unknown>;
  return module[name] as new (...args: never[]) => never;
}

describe('the first screen', () => {
  it('is a module of at most 12 lines', async () => {
    const snippets = await readSnippets('README.md');
    const lines = (snippets.get('app.module.ts') ?? '').trim().split('\n');
    // The file's name is not part of the module.
    expect(lines.length - 1).toBeLessThanOrEqual(12);
  });

  it('runs, and answers its query', async () => {
    const AppModule = await load('app.module.ts', 'AppModule');
    const UserRepository = await load('user.repository.ts', 'UserRepository');
    const app = await Test.createTestingModule({ imports: [AppModule] }).compile();
    await app.init();
    const users = app.get<{ findByEmail(email: string): Promise<unknown> }>(UserRepository);
    expect(await users.findByEmail('ada@example.org')).toEqual({ id: 1, email: 'ada@example.org' });
    expect(await users.findByEmail('nobody@example.org')).toBeUndefined();
    await app.close();
  });

  it('has a transaction that moves money', async () => {
    const AppModule = await load('app.module.from-env.ts', 'AppModule');
    const TransferService = await load('transfer.service.ts', 'TransferService');
    const app = await Test.createTestingModule({
      imports: [AppModule],
      providers: [TransferService],
    }).compile();
    await app.init();
    const log = jest.spyOn(Logger.prototype, 'log').mockImplementation(() => undefined);
    const service = app.get<{ transfer(...args: number[]): Promise<void> }>(TransferService);
    await service.transfer(1, 2, 200);
    expect(log).toHaveBeenCalledWith('account 2 received money');
    log.mockRestore();
    const db = app.get(DatabaseService);
    expect(await db.read('select cents from account order by id')).toEqual([
      { cents: 300 },
      { cents: 200 },
    ]);
    await app.close();
  });
});

describe('what the README names', () => {
  it('exists: its commands', async () => {
    const text = await readFile(join(root, 'README.md'), 'utf8');
    const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const commands = [...text.matchAll(/npm (?:run )?(start|test|demo|[a-z:]+(?=`))/g)].map(
      ([, name]) => name ?? '',
    );
    expect(commands).toEqual(expect.arrayContaining(['start', 'test', 'demo']));
    for (const command of commands) expect(Object.keys(scripts)).toContain(command);
  });

  it('exists: its pages and files', async () => {
    const text = await readFile(join(root, 'README.md'), 'utf8');
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)].map(
      ([, link]) => link ?? '',
    );
    expect(links.length).toBeGreaterThan(10);
    for (const link of links) await expect(access(join(root, link))).resolves.toBeUndefined();
  });
});
