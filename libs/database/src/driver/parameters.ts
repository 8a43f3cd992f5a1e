// Values of a statement, made ready to be sent before any byte is: a bad one touches nothing.
import pgUtils from 'pg/lib/utils.js';
import { ParameterError } from '../kernel/errors.js';

const { prepareValue } = pgUtils;

/** The protocol counts parameters with 16 bits. */
const MAX_PARAMETERS = 65_535;

/** A value as it is sent: as text, as bytes, or NULL. */
export type PreparedValue = string | Uint8Array | null;

function prepare(value: unknown, position: number): PreparedValue {
  const type = typeof value;
  if (type === 'string') return value as string;
  if (type === 'function' || type === 'symbol') {
    throw new ParameterError(position, `Parameter $${position} is a ${type}: pass a value.`);
  }
  if (value instanceof Date && Number.isNaN(value.getTime())) {
    throw new ParameterError(position, `Parameter $${position} is an invalid Date.`);
  }
  try {
    return prepareValue(value) as PreparedValue;
  } catch (cause) {
    throw new ParameterError(
      position,
      `Parameter $${position} cannot be serialised ` +
        `(${cause instanceof Error ? cause.message.split('\n', 1)[0] : 'unknown'}). ` +
        'Pass plain data: no circular structure, no bigint inside an object.',
      cause,
    );
  }
}

/**
 * The values as `pg` sends them.
 * @throws ParameterError with the position of the value that cannot be sent.
 */
export function prepareParameters(values: readonly unknown[]): PreparedValue[] {
  if (!Array.isArray(values)) {
    throw new ParameterError(0, 'Parameters must be an array: [first, second].');
  }
  if (values.length > MAX_PARAMETERS) {
    throw new ParameterError(
      MAX_PARAMETERS + 1,
      `${values.length} parameters are too many (at most ${MAX_PARAMETERS}). ` +
        'Pass one array and use = ANY($1) or unnest($1), or use copyFrom.',
    );
  }
  return values.map((value, index) => prepare(value, index + 1));
}
