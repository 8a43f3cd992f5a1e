// A symbol as it stands in a path or a body.
import { BadRequestException, type PipeTransform } from '@nestjs/common';

/** Form of a symbol, in capitals. */
export const SYMBOL = /^[A-Z0-9.]{1,12}$/;

/** Accepts `msft` for `MSFT`, and refuses what no symbol can look like. */
export class SymbolPipe implements PipeTransform<string, string> {
  transform(text: string): string {
    const symbol = text.toUpperCase();
    if (SYMBOL.test(symbol)) return symbol;
    throw new BadRequestException('A symbol is 1 to 12 letters, digits or dots, such as MSFT');
  }
}
