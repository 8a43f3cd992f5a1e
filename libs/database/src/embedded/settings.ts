// The settings of a development server, and how they are written for PostgreSQL.
import { EmbeddedPostgresError } from './embedded.errors.js';

/** Names and values as in postgresql.conf. */
export type ServerSettings = Readonly<Record<string, string | number | boolean>>;

/** What differs from PostgreSQL's defaults. Durability does not: the data is kept. */
export const DEVELOPMENT_SETTINGS: ServerSettings = {
  max_connections: 200,
  shared_preload_libraries: 'pg_stat_statements',
  timezone: 'UTC',
  log_timezone: 'UTC',
  track_io_timing: true,
  // Errors reach the client; kept out of the log, they can neither fill the disk nor leave values on it.
  log_min_messages: 'log',
  log_checkpoints: false,
};

// These are the launcher's own, and given on the command line.
const RESERVED = new Set(['port', 'listen_addresses', 'unix_socket_directories', 'data_directory']);

/**
 * Renders a settings file.
 * @throws EmbeddedPostgresError for a name that is reserved, or a name or value that is none.
 */
export function renderSettings(settings: ServerSettings): string {
  const lines = Object.entries(settings).map(([name, value]) => {
    if (RESERVED.has(name)) {
      throw new EmbeddedPostgresError(`The setting ${name} belongs to the embedded server`, {
        mend: name === 'port' ? 'Pass the option port instead.' : 'Leave it out.',
      });
    }
    const text = typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
    if (!/^[a-z_][\w.]*$/i.test(name) || /[\r\n\0]/.test(text)) {
      throw new EmbeddedPostgresError(
        `"${name}" is not a setting that can be written on one line`,
        {
          mend: 'Use a name and a value as in postgresql.conf.',
        },
      );
    }
    return `${name} = '${text.replace(/\\/g, '\\\\').replace(/'/g, "''")}'`;
  });
  return [
    '# Written at every start. Change settings with ALTER SYSTEM, or through the option.',
    ...lines,
    '',
  ].join('\n');
}
