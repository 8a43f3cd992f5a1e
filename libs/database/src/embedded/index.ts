// The door of `nestjs-database/embedded`.
export { EmbeddedPostgres } from './embedded-postgres.js';
export { EmbeddedPostgresError } from './embedded.errors.js';
export type { EmbeddedPostgresFacts } from './embedded.errors.js';
export type { EmbeddedPostgresOptions } from './embedded.options.js';
export type { ServerSettings } from './settings.js';
