/**
 * Errors as node:fs throws them: `code` is the name a Linux program knows, `errno` its number,
 * negative.
 */
import { LINUX_ERRNO, type ErrnoCode } from '../lump/errno.js';
import { netbsd_to_linux_code } from '../l2p/errno.js';

/** A path as the caller gave it: text (UTF-8) or bytes. */
export type PathLike = string | Uint8Array;

export class UkfsError extends Error {
  readonly code: ErrnoCode;
  /** Linux's number, negative like node:fs's. */
  readonly errno: number;
  readonly syscall: string;
  readonly path: string | undefined;
  readonly dest: string | undefined;

  constructor(code: ErrnoCode, syscall: string, path?: PathLike, dest?: PathLike) {
    const from = path === undefined ? undefined : asText(path);
    const to = dest === undefined ? undefined : asText(dest);
    const where = from === undefined ? '' : ` '${from}'${to === undefined ? '' : ` -> '${to}'`}`;
    super(`${code}: ${syscall}${where}`);
    this.code = code;
    this.errno = -LINUX_ERRNO[code];
    this.syscall = syscall;
    this.path = from;
    this.dest = to;
  }

  override get name(): string {
    return 'Error';
  }
}

/** Throws when a puffs operation answered an error. */
export function check(error: number, syscall: string, path?: PathLike, dest?: PathLike): void {
  if (error !== 0) throw new UkfsError(netbsd_to_linux_code(error), syscall, path, dest);
}

function asText(path: PathLike): string {
  return typeof path === 'string' ? path : new TextDecoder().decode(path);
}
