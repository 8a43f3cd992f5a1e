/** Imports a source of this folder by its name, such as `./shared-cluster.ts`. */
export function importSource(name: string): Promise<unknown>;
