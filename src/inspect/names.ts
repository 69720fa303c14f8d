import type { ByteName } from '../lump/types.js';

/** Names that no path can reach, or that would change what a path means, are refused. */
export function isUsableName(name: ByteName): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[\0/]/.test(name);
}
