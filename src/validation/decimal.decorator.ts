// How a price or an amount of money looks in an answer.
import { ApiProperty, type ApiPropertyOptions } from '@nestjs/swagger';

/** A decimal string: exact, where a JSON number would be rounded by most readers. */
export function ApiDecimal(example: string, options: ApiPropertyOptions = {}): PropertyDecorator {
  return ApiProperty({ type: String, format: 'decimal', example, ...options });
}
