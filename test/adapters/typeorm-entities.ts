// Entities, a migration and an application for the TypeORM suites.
import { Injectable, Module } from '@nestjs/common';
import type { INestApplicationContext } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { InjectRepository, TypeOrmModule } from '@nestjs/typeorm';
import { DatabaseModule, DatabaseService } from 'nestjs-database';
import type { DatabaseModuleOptions } from 'nestjs-database';
import {
  Column,
  DataSource,
  Entity,
  ManyToOne,
  OneToMany,
  PrimaryGeneratedColumn,
  Repository,
} from 'typeorm';
import type { MigrationInterface, QueryRunner, Relation } from 'typeorm';

@Entity('author')
export class Author {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column({ type: 'text', unique: true })
  name!: string;

  @OneToMany(() => Book, (book) => book.author, { cascade: true })
  books!: Relation<Book[]>;
}

@Entity('book')
export class Book {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column({ type: 'text' })
  title!: string;

  @ManyToOne(() => Author, (author) => author.books)
  author!: Relation<Author>;
}

/** The schema of both entities. */
export class Shelves1700000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('create table author (id serial primary key, name text not null unique)');
    await runner.query(
      'create table book (id serial primary key, title text not null, "authorId" int references author(id))',
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table book, author');
  }
}

@Injectable()
export class Library {
  constructor(
    @InjectRepository(Author) readonly authors: Repository<Author>,
    @InjectRepository(Book) readonly books: Repository<Book>,
    readonly db: DatabaseService,
    readonly dataSource: DataSource,
  ) {}
}

@Module({ imports: [TypeOrmModule.forFeature([Author, Book])], providers: [Library] })
class LibraryModule {}

/** An application with both ways to the database. */
export interface LibraryApp {
  readonly app: INestApplicationContext;
  readonly library: Library;
  close(): Promise<void>;
}

/** Starts an application on the default instance, with a repository for each entity. */
export async function startLibrary(options: DatabaseModuleOptions): Promise<LibraryApp> {
  const imports = [DatabaseModule.forRoot(options), LibraryModule];
  const app = await Test.createTestingModule({ imports }).compile();
  await app.init();
  return { app, library: app.get(Library, { strict: false }), close: () => app.close() };
}
