/** Seeded data of the kinds that flash holds, and buffers that notice writes beside them. */
import { expect } from 'chai';
import { Prng } from '../../src/rumpuser/prng.js';

export const KINDS = ['text', 'random', 'zero', 'mixed', 'runs', 'table'] as const;
export type Kind = (typeof KINDS)[number];

const WORDS = (
  'the of and a to in is it that for was on are as with his they at be this from have or by ' +
  'one had not but what all were when we there can an your which their said if do will each ' +
  'about how up out them then she many some so these would other into has more her two like ' +
  'him see time could no make than first been its who now people my made over did down only ' +
  'way find use may water long little very after words called just where most know flash ' +
  'erase block node inode directory version garbage collection obsolete compression summary'
).split(' ');

/** `length` bytes that depend on kind and seed only. */
export function corpus(kind: Kind, length: number, seed: number): Uint8Array {
  const prng = new Prng(seed);
  const bytes = new Uint8Array(length);
  let at = 0;
  const put = (byte: number): void => {
    if (at < length) bytes[at++] = byte;
  };
  switch (kind) {
    case 'text':
      while (at < length) {
        // The smaller the index, the more frequent the word.
        const word = WORDS[Math.min(prng.below(WORDS.length), prng.below(WORDS.length))]!;
        for (let i = 0; i < word.length; i++) put(word.charCodeAt(i));
        put(prng.below(10) === 0 ? 0x0a : 0x20);
      }
      break;
    case 'random':
      prng.fill(bytes);
      break;
    case 'zero':
      break;
    case 'mixed':
      while (at < length) {
        const of = prng.below(2) === 0 ? 'text' : 'random';
        const piece = corpus(of, 64 + prng.below(512), prng.u32());
        for (const byte of piece) put(byte);
      }
      break;
    case 'runs':
      while (at < length) {
        const byte = prng.below(4);
        for (let n = 1 + prng.below(600); n > 0; n--) put(byte);
      }
      break;
    case 'table':
      // Records of 12 bytes with a counter, a small number and a constant, as in executables.
      for (let record = 0; at < length; record++) {
        for (const word of [record, prng.below(50), 0x08048000]) {
          for (let shift = 0; shift < 32; shift += 8) put(word >>> shift);
        }
      }
      break;
  }
  return bytes;
}

const CANARY_BYTES = 32;

/** A buffer of `length` bytes at `offset` of `bytes`, with a pattern before and after it. */
export class Guarded {
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly length: number;

  /** `shift` makes the offset odd or what else it shall be. */
  constructor(length: number, shift = 0) {
    this.offset = CANARY_BYTES + shift;
    this.length = length;
    this.bytes = new Uint8Array(this.offset + length + CANARY_BYTES);
    for (let i = 0; i < this.bytes.length; i++) this.bytes[i] = canary(i);
  }

  get content(): Uint8Array {
    return this.bytes.subarray(this.offset, this.offset + this.length);
  }

  /** Fails when a byte outside has changed. */
  check(about: string): void {
    for (let i = 0; i < this.bytes.length; i++) {
      if (i === this.offset) i += this.length;
      if (this.bytes[i] !== canary(i)) {
        expect.fail(`${about}: wrote outside, at ${i - this.offset} of ${this.length} bytes`);
      }
    }
  }
}

const canary = (i: number): number => (i * 37 + 11) & 0xff;

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const fromHex = (digits: string): Uint8Array =>
  Buffer.from(digits.replace(/\s/g, ''), 'hex');
export const ascii = (text: string): Uint8Array => Buffer.from(text, 'latin1');
