// Brings the schema to the newest step: all missing steps in one transaction, one instance at a time.
import { Injectable } from '@nestjs/common';
import { DatabaseService } from 'nestjs-database';
import { MIGRATIONS } from './migrations.sql.js';
import { SETUP_LOCK, SETUP_TIMEOUT_MS } from './setup-lock.js';

const CREATE_LEDGER = `
  create table if not exists schema_migrations (
    id text primary key,
    applied_at timestamptz not null default now()
  )`;

@Injectable()
export class SchemaService {
  constructor(private readonly db: DatabaseService) {}

  /** Runs the missing steps and gives their ids. Instances that start together wait for the first one. */
  migrate(): Promise<string[]> {
    return this.db.transaction(() => this.runMissing(), { timeoutMs: SETUP_TIMEOUT_MS });
  }

  private async runMissing(): Promise<string[]> {
    await this.db.query(SETUP_LOCK, [], { timeoutMs: SETUP_TIMEOUT_MS });
    await this.db.query(CREATE_LEDGER);
    const { rows } = await this.db.query<{ id: string }>('select id from schema_migrations');
    const applied = new Set(rows.map((row) => row.id));
    const missing = MIGRATIONS.filter((migration) => !applied.has(migration.id));
    for (const { id, statements } of missing) {
      for (const statement of statements) await this.db.query(statement);
      await this.db.query('insert into schema_migrations (id) values ($1)', [id]);
    }
    return missing.map((migration) => migration.id);
  }
}
