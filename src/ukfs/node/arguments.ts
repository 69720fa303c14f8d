/** Arguments of node:fs's functions: each is checked here, with Node's errors. */
import { Buffer } from 'node:buffer';
import { fileURLToPath } from 'node:url';
import { isDate } from 'node:util/types';
import type { PathLike } from '../error.js';
import { O_RDONLY, openFlags } from '../flags.js';
import type { Timespec } from '../stats.js';
import {
  AbortError,
  invalidArgType,
  invalidArgValue,
  outOfRange,
  plainArgType,
  plainOutOfRange,
} from './errors.js';

export type Encoding = BufferEncoding | 'buffer';

const INT32_MAX = 2 ** 31 - 1;
const UINT32_MAX = 2 ** 32 - 1;

export const isView = (value: unknown): value is NodeJS.ArrayBufferView =>
  ArrayBuffer.isView(value);

/** The same memory, as bytes. */
export const asBytes = (view: NodeJS.ArrayBufferView): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

export const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export function toPath(value: unknown, name = 'path'): PathLike {
  const path = value instanceof URL ? fileURLToPath(value) : value;
  if (typeof path !== 'string' && !(path instanceof Uint8Array)) {
    throw invalidArgType(name, 'of type string or an instance of Buffer or URL', path);
  }
  if (typeof path === 'string' ? path.includes('\0') : path.includes(0)) {
    const reason = 'must be a string, Uint8Array, or URL without null bytes';
    throw invalidArgValue(name, path, reason);
  }
  return path;
}

export function toInteger(
  value: unknown,
  name: string,
  min: number = Number.MIN_SAFE_INTEGER,
  max: number = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value);
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
  if (value < min || value > max) throw outOfRange(name, `>= ${min} && <= ${max}`, value);
  return value;
}

export const toFd = (value: unknown): number => toInteger(value, 'fd', 0, INT32_MAX);

export const isFd = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= INT32_MAX;

export const toUint32 = (value: unknown, name: string): number =>
  toInteger(value, name, 0, UINT32_MAX);

export function toBoolean(value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') throw invalidArgType(name, 'of type boolean', value);
  return value;
}

/** Permission bits, a number or octal digits. */
export function toMode(value: unknown, fallback?: number): number {
  const mode = value ?? fallback;
  if (typeof mode !== 'string') return toUint32(mode, 'mode');
  if (!/^[0-7]+$/.test(mode)) {
    const reason = 'must be a 32-bit unsigned integer or an octal string';
    throw invalidArgValue('mode', mode, reason);
  }
  return toUint32(Number.parseInt(mode, 8), 'mode');
}

/** Bits of access(), or of copyFile(). */
export function toSmallMode(value: unknown): number {
  if (value === null || value === undefined) return 0;
  if (typeof value !== 'number') throw plainArgType('mode must be int32 or null/undefined');
  if (!Number.isFinite(value)) throw plainOutOfRange('mode is out of range');
  const mode = Math.trunc(value);
  if (mode < 0 || mode > 7) throw plainOutOfRange('mode is out of range: >= 0 && <= 7');
  return mode;
}

/** An owner; −1 leaves it as it is, and so does its spelling without sign. */
export function toOwner(value: unknown, name: string): number {
  const owner = toInteger(value, name, -1, UINT32_MAX);
  return owner === UINT32_MAX ? -1 : owner;
}

/** open's flags, letters or a number. */
export function toFlags(value: unknown, name = 'flags'): number {
  if (value === null || value === undefined) return O_RDONLY;
  if (typeof value === 'number') return toInteger(value, name, -INT32_MAX - 1, INT32_MAX);
  try {
    return openFlags(value as string);
  } catch {
    throw invalidArgValue(name, value);
  }
}

/** As libuv cuts a number of seconds: towards zero, the fraction in nanoseconds. */
export function toTime(value: unknown, name = 'time'): Timespec {
  let seconds: number;
  if (typeof value === 'string' && !Number.isNaN(+value)) seconds = +value;
  else if (typeof value === 'number' && Number.isFinite(value)) seconds = value;
  else if (isDate(value)) seconds = value.getTime() / 1000;
  else throw invalidArgType(name, 'an instance of Date or an Time in seconds', value);
  if (typeof value === 'number' && seconds < 0) seconds = Date.now() / 1000;
  let sec = Math.trunc(seconds);
  let nsec = Math.trunc((seconds - sec) * 1e9);
  if (nsec < 0) {
    nsec += 1e9;
    sec -= 1;
  }
  return { sec, nsec };
}

export function toView(
  value: unknown,
  name = 'buffer',
  expected = 'an instance of Buffer, TypedArray, or DataView',
): NodeJS.ArrayBufferView {
  if (!isView(value)) throw invalidArgType(name, expected, value);
  return value;
}

export function toViews(value: unknown): readonly NodeJS.ArrayBufferView[] {
  if (Array.isArray(value) && value.every(isView)) return value;
  throw invalidArgType('buffers', 'an ArrayBufferView[]', value);
}

/** What is to be written: text or any view. */
export function toData(value: unknown, encoding: Encoding | null | undefined): Uint8Array {
  if (typeof value === 'string') {
    // Node refuses "buffer" here.
    return Buffer.from(value, (encoding || 'utf8') as BufferEncoding);
  }
  const expected = 'of type string or an instance of Buffer, TypedArray, or DataView';
  return asBytes(toView(value, 'data', expected));
}

/** Where to read or write; null: at the descriptor's own position. */
export function toPosition(value: unknown, length: number): number | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'bigint') {
    const max = BigInt(Number.MAX_SAFE_INTEGER) - BigInt(length);
    if (value < -1n || value > max) throw outOfRange('position', `>= -1 && <= ${max}`, value);
    return value === -1n ? null : Number(value);
  }
  if (typeof value !== 'number') {
    throw invalidArgType('position', 'of type bigint or integer', value);
  }
  const position = toInteger(value, 'position', -1);
  return position === -1 ? null : position;
}

/** Options that may also be an encoding alone. Unknown members pass through. */
export interface Options {
  readonly encoding?: Encoding | null;
  readonly signal?: AbortSignal;
  readonly [name: string]: unknown;
}

export function toOptions(value: unknown): Options {
  if (value === null || value === undefined || typeof value === 'function') return {};
  if (typeof value !== 'string' && typeof value !== 'object') {
    throw invalidArgType('options', 'one of type string or object', value);
  }
  const options = typeof value === 'string' ? { encoding: value } : value;
  const { encoding, signal } = options as Options;
  if (encoding && encoding !== 'buffer' && !Buffer.isEncoding(encoding)) {
    throw invalidArgValue('encoding', encoding, 'is invalid encoding');
  }
  if (signal !== undefined && (typeof signal !== 'object' || !('aborted' in signal))) {
    throw invalidArgType('options.signal', 'an instance of AbortSignal', signal);
  }
  return options as Options;
}

/** Options that are an object or nothing. */
export function toObject(value: unknown): Readonly<Record<string, unknown>> {
  if (value === undefined) return {};
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw invalidArgType('options', 'of type object', value);
  }
  return value as Record<string, unknown>;
}

export function toFunction(value: unknown, name = 'cb'): (...args: unknown[]) => void {
  if (typeof value !== 'function') throw invalidArgType(name, 'of type function', value);
  return value as (...args: unknown[]) => void;
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AbortError(signal.reason);
}

/** Bytes of a name as the caller wants to see them. */
export function encoded(bytes: Uint8Array, encoding: Encoding | null | undefined): string | Buffer {
  const buffer = asBuffer(bytes);
  if (encoding === 'buffer') return buffer;
  return buffer.toString(encoding ?? 'utf8');
}

/** Bytes of a path. */
export const pathBytes = (path: PathLike): Buffer =>
  typeof path === 'string' ? Buffer.from(path) : asBuffer(path);
