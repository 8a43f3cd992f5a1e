// search.service.ts
import { Injectable } from '@nestjs/common';
import { DatabaseService } from 'nestjs-database';

@Injectable()
export class SearchService {
  constructor(private readonly db: DatabaseService) {}

  /** `signal` is aborted when the client goes away. */
  search(words: string, signal: AbortSignal) {
    return this.db.read<{ id: number }>(
      `select id from article where to_tsvector('simple', body) @@ plainto_tsquery('simple', $1)`,
      [words],
      { timeoutMs: 800, signal },
    );
  }
}
