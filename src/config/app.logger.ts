// Nest's own logger without the framework's start-up chatter, which would bury the app's few lines.
import { ConsoleLogger } from '@nestjs/common';

const CHATTER: ReadonlySet<unknown> = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestApplication',
]);

/** Where Nest logs a failed start before it throws it: whoever starts the app prints it, with the mend. */
const REPORTED: ReadonlySet<unknown> = new Set(['ExceptionHandler', 'NestApplication']);

/** Drops informative lines of the framework, and errors that are thrown as well; all else stays. */
export class AppLogger extends ConsoleLogger {
  override log(message: unknown, ...rest: unknown[]): void {
    if (CHATTER.has(rest.at(-1))) return;
    super.log(message, ...rest);
  }

  override error(message: unknown, ...rest: unknown[]): void {
    if (REPORTED.has(rest.at(-1))) return;
    super.error(message, ...rest);
  }
}
