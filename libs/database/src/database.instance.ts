// The name of the instance that needs none.

/** Name of the instance that is injected by class. */
export const DEFAULT_INSTANCE = 'default';
