/** The process that a tool is: words, standard streams, questions. */
import { readFileSync, readSync, writeSync } from 'node:fs';
import { encode, fromBytes, type ByteText } from './bytes.js';
import { isSystemError } from './errors.js';

const CHUNK_BYTES = 1 << 16;
const STDIN = 0;
const STDERR = 2;

/** The words of the command line as bytes: Node has replaced what is no UTF-8. */
export function commandLine(): ByteText[] {
  const words = process.argv.slice(2);
  if (words.some((word) => word.includes('\ufffd'))) {
    try {
      const all = fromBytes(readFileSync('/proc/self/cmdline')).split('\0').slice(0, -1);
      return words.length === 0 ? [] : all.slice(-words.length);
    } catch (error) {
      if (!isSystemError(error)) throw error;
    }
  }
  return words.map(encode);
}

const cell = new Int32Array(new SharedArrayBuffer(4));

/** A pipe that someone else made non-blocking is waited for. */
function patiently(call: () => number): number {
  for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 50)) {
    try {
      return call();
    } catch (error) {
      if (!isSystemError(error) || error.code !== 'EAGAIN') throw error;
      Atomics.wait(cell, 0, 0, waitMs);
    }
  }
}

/** All of `bytes` to a descriptor of this process. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    done += patiently(() => writeSync(fd, bytes, done, bytes.length - done));
  }
}

function readSome(buffer: Uint8Array): number {
  try {
    return patiently(() => readSync(STDIN, buffer, 0, buffer.length, null));
  } catch (error) {
    // Some systems say so at the end of a terminal's or a pipe's input.
    if (isSystemError(error) && error.code === 'EOF') return 0;
    throw error;
  }
}

export function* standardInput(): Iterable<Uint8Array> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (let count = readSome(buffer); count > 0; count = readSome(buffer)) {
    yield buffer.subarray(0, count);
  }
}

/** Asks on standard error; the answer is a line of standard input. */
export function confirm(question: ByteText): boolean {
  writeAll(STDERR, Buffer.from(question, 'latin1'));
  const byte = new Uint8Array(1);
  let answer = '';
  while (readSome(byte) > 0 && byte[0] !== 0x0a) answer += String.fromCharCode(byte[0]!);
  return /^\s*y/i.test(answer);
}
