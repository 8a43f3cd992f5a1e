// Nest's own logger without the framework's start-up chatter, which would bury the app's few lines.
import { ConsoleLogger } from '@nestjs/common';

const CHATTER: ReadonlySet<unknown> = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestApplication',
]);

/** Drops informative lines of the framework; its warnings and errors stay. */
export class AppLogger extends ConsoleLogger {
  override log(message: unknown, ...rest: unknown[]): void {
    if (CHATTER.has(rest.at(-1))) return;
    super.log(message, ...rest);
  }
}
