// The class that other libraries ask for by `instanceof`.
import pg from 'pg';

/**
 * Lets the objects of a class pass for a `pg.Pool` where one is asked for by `instanceof`, as Prisma's adapter does.
 * Nothing of `pg.Pool` runs: the class has all of its public methods itself.
 */
export function passForPgPool(facade: { readonly prototype: object }): void {
  Object.setPrototypeOf(facade.prototype, pg.Pool.prototype);
}
