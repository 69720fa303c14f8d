/**
 * Node's own errors: wrong arguments, and what node:fs refuses before or without a system call.
 * Message forms are those of Node 20; test/ukfs/node_conformance.test.ts compares them.
 */
import { inspect } from 'node:util';

type ErrorClass = new (message: string) => Error;

/** A class whose errors have `code`, and say it: "TypeError [ERR_X]: …". */
function coded(Base: ErrorClass) {
  return class extends Base {
    readonly code: string;
    constructor(code: string, message: string) {
      super(message);
      this.code = code;
    }
    override toString(): string {
      return `${this.name} [${this.code}]: ${this.message}`;
    }
  };
}

const NodeError = coded(Error);
const NodeTypeError = coded(TypeError);
const NodeRangeError = coded(RangeError);

/** @param expected "of type string", "an instance of Buffer", … */
export function invalidArgType(name: string, expected: string, value: unknown): Error {
  const kind = name.includes('.') ? 'property' : 'argument';
  const message = `The "${name}" ${kind} must be ${expected}. Received ${received(value)}`;
  return new NodeTypeError('ERR_INVALID_ARG_TYPE', message);
}

export function plainArgType(message: string): Error {
  return new NodeTypeError('ERR_INVALID_ARG_TYPE', message);
}

export function invalidArgValue(name: string, value: unknown, reason = 'is invalid'): Error {
  const kind = name.includes('.') ? 'property' : 'argument';
  let text = inspect(value);
  if (text.length > 128) text = `${text.slice(0, 128)}...`;
  return new NodeTypeError(
    'ERR_INVALID_ARG_VALUE',
    `The ${kind} '${name}' ${reason}. Received ${text}`,
  );
}

/** @param size of the file, in bytes */
export const fileTooLarge = (size: number): Error =>
  new NodeRangeError('ERR_FS_FILE_TOO_LARGE', `File size (${size}) is greater than 2 GiB`);

/** @param range "an integer", ">= 0 && <= 7", … */
export function outOfRange(name: string, range: string, value: unknown): Error {
  const text =
    typeof value === 'bigint' || (Number.isInteger(value) && Math.abs(value as number) > 2 ** 32)
      ? grouped(String(value)) + (typeof value === 'bigint' ? 'n' : '')
      : inspect(value);
  return new NodeRangeError(
    'ERR_OUT_OF_RANGE',
    `The value of "${name}" is out of range. It must be ${range}. Received ${text}`,
  );
}

export function plainOutOfRange(message: string): Error {
  return new NodeRangeError('ERR_OUT_OF_RANGE', message);
}

export const dirClosed = (): Error =>
  new NodeError('ERR_DIR_CLOSED', 'Directory handle was closed');

export const invalidSymlinkType = (type: unknown): Error =>
  new NodeError(
    'ERR_FS_INVALID_SYMLINK_TYPE',
    `Symlink type must be one of "dir", "file", or "junction". Received "${String(type)}"`,
  );

export const invalidReturnValue = (expected: string, from: string, value: unknown): Error =>
  new NodeTypeError(
    'ERR_INVALID_RETURN_VALUE',
    `Expected ${expected} to be returned from the "${from}" function but got ${received(value)}.`,
  );

export const notImplemented = (name: string): Error =>
  new NodeError('ERR_METHOD_NOT_IMPLEMENTED', `The ${name} method is not implemented`);

/** For what this file system cannot do on any platform. */
export const unavailable = (what: string): Error =>
  new NodeTypeError('ERR_FEATURE_UNAVAILABLE_ON_PLATFORM', what);

export class AbortError extends Error {
  readonly code = 'ABORT_ERR';
  constructor(cause: unknown) {
    super('The operation was aborted', cause === undefined ? undefined : { cause });
    this.name = 'AbortError';
  }
}

/** What stands behind a refusal of rm() or cp(). */
interface RefusalInfo {
  readonly message: string;
  readonly path: string;
  readonly syscall: 'rm' | 'cp';
  /** Linux's, positive. */
  readonly errno: number;
  /** Its name. */
  readonly code: string;
}

/** Node's SystemError. */
export class Refusal extends NodeError {
  readonly info: RefusalInfo;
  readonly errno: number;
  readonly syscall: string;
  readonly path: string;

  constructor(code: string, what: string, info: RefusalInfo) {
    const { syscall, code: name, message, path } = info;
    super(code, `${what}: ${syscall} returned ${name} (${message}) ${path}`);
    this.name = 'SystemError';
    this.info = info;
    this.errno = info.errno;
    this.syscall = syscall;
    this.path = path;
  }
}

function received(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'function') return `function ${value.name}`.trimEnd();
  if (typeof value === 'object') {
    const name = value.constructor?.name;
    return name ? `an instance of ${name}` : inspect(value, { depth: -1 });
  }
  const text = inspect(value, { colors: false });
  return `type ${typeof value} (${text.length > 28 ? `${text.slice(0, 25)}...` : text})`;
}

/** 4294967297 → 4_294_967_297 */
const grouped = (digits: string): string => digits.replace(/\B(?=(\d{3})+$)/g, '_');
