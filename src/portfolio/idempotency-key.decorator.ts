// The header that makes a repeated order harmless.
import { BadRequestException, createParamDecorator, type ExecutionContext } from '@nestjs/common';

/** Header of the key; the name is that of the IETF draft "The Idempotency-Key HTTP Header Field". */
export const IDEMPOTENCY_KEY = 'Idempotency-Key';

const FORM = /^[\w.:-]{8,100}$/;

/** The checked key of the request. @throws BadRequestException when it is missing or malformed */
export const IdempotencyKey = createParamDecorator((_: unknown, context: ExecutionContext) => {
  const { headers } = context
    .switchToHttp()
    .getRequest<{ headers: Record<string, string | string[] | undefined> }>();
  const key = headers[IDEMPOTENCY_KEY.toLowerCase()];
  if (typeof key === 'string' && FORM.test(key)) return key;
  throw new BadRequestException(
    `Send a header ${IDEMPOTENCY_KEY} of 8 to 100 letters, digits or _.:- that is new for each order, such as a UUID`,
  );
});
