// The part of `pg-types` that its type declarations leave out.
declare module 'pg-types/lib/textParsers.js' {
  const textParsers: {
    readonly init: (register: (oid: number, parse: (value: string) => unknown) => void) => void;
  };
  export default textParsers;
}
