// A contract as a list of cases that any test runner can run: `for (const { name, run } of cases) it(name, run)`.

/** One promise of a contract. */
export interface ContractCase {
  /** What is promised; completes the sentence "it ...". */
  readonly name: string;
  /** Rejects when the promise is broken. */
  readonly run: () => Promise<void>;
}
