// A calendar day as text, the only form in which days enter and leave the app.
import { applyDecorators } from '@nestjs/common';
import { ApiProperty, type ApiPropertyOptions } from '@nestjs/swagger';
import { ValidateBy } from 'class-validator';

const DAY = /^(\d{4})-(\d{2})-(\d{2})$/;

/** True for a day that exists, such as 2008-02-29, of the years 1900 to 2199. */
export function isDay(value: unknown): value is string {
  if (typeof value !== 'string' || !DAY.test(value)) return false;
  const date = new Date(`${value}T00:00:00Z`);
  if (Number.isNaN(date.getTime())) return false;
  const year = date.getUTCFullYear();
  return date.toISOString().startsWith(value) && year >= 1900 && year < 2200;
}

/** Validates a day and describes it in the OpenAPI document. */
export function IsDay(options: ApiPropertyOptions): PropertyDecorator {
  return applyDecorators(
    ApiProperty({ type: String, format: 'date', example: '2008-09-15', ...options }),
    ValidateBy({
      name: 'isDay',
      validator: {
        validate: isDay,
        defaultMessage: (args) => `${args?.property} must be an existing day like 2008-09-15`,
      },
    }),
  );
}
