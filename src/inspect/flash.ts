/**
 * A flash as the inspector has it: bytes in memory, the place and size of its erase blocks, the
 * byte order. Nothing here writes, and nothing needs a mount.
 *
 * The whole image is held in one array: offsets on the medium are 32 bits, and a page cache of
 * one's own would be slower than the host's. A browser hands in what `File.arrayBuffer()` gives.
 */
import { jffs2_compressors, type jffs2_compressors_options } from '../jffs2/compr.js';
import { jffs2_detect, type Jffs2Detection } from '../jffs2/detect.js';
import { BIG_ENDIAN, LITTLE_ENDIAN, type Endian } from '../jffs2/medium.js';
import { crc32_le } from '../lump/crc32.js';
import { readNand, type NandDump, type NandOption } from './oob.js';

/** Services that a host may have; without them all works, slower, and without zlib. */
export interface InspectHost {
  /** zlib's crc32, see Rumpuser.crc32. */
  readonly crc32?:
    | ((buffer: Uint8Array, offset: number, length: number, seed: number) => number)
    | undefined;
  /** DEFLATE, see HostCodecs. */
  readonly codecs?: jffs2_compressors_options['zlib'];
}

/** What is known already; the rest is detected. Bytes. */
export interface FlashOptions {
  /** Instead of what is detected. Bytes. */
  readonly erasesize?: number | undefined;
  readonly endian?: 'little' | 'big' | undefined;
  /** Where in the bytes erase block 0 begins. */
  readonly offset?: number | undefined;
  /** Bytes from `offset` that belong to the flash; default: all. */
  readonly size?: number | undefined;
  /** Pages with OOB: how they look, or false for "there are none". Default: detected. */
  readonly nand?: NandOption | false | undefined;
  readonly host?: InspectHost | undefined;
}

/** The input cannot be inspected at all: a sentence that says why, and what to do. */
export class InspectError extends Error {}

/** What is taken when nothing tells: mkfs.jffs2's. */
const ERASESIZE_DEFAULT = 65536;
const ERASESIZE_MIN = 512;
/** Offsets of nodes are kept in 32 bits. */
const FLASH_BYTES_MAX = 2 ** 32 - 1;
/** Below this, calling the host costs more than it saves. */
const HOST_CRC_BYTES_MIN = 256;

/** A flash in memory: where its erase blocks are, in which byte order, and how we know. */
export class Flash {
  /** The flash itself: file from `offset` on. The last erase block may be cut short. */
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly erasesize: number;
  readonly endian: Endian;
  /** Null: no node was found. */
  readonly detection: Jffs2Detection | null;
  /** False: erase size or place are a guess. */
  readonly certain: boolean;
  /** Sentences: what it is, and why we think so. */
  readonly evidence: readonly string[];
  /** How its pages lie in the file, if they have OOB there; `bytes` are its data then. */
  readonly nand: NandDump | null;
  readonly compressors: jffs2_compressors;
  readonly #host: InspectHost;

  /** @throws InspectError an option that cannot be, or a file of 4 GiB and more. */
  constructor(given: Uint8Array, options: FlashOptions = {}) {
    // Not a Buffer, whose slice() is no copy.
    const file = new Uint8Array(given.buffer, given.byteOffset, given.byteLength);
    const { erasesize, offset, size, endian } = options;
    if (erasesize !== undefined && (erasesize < ERASESIZE_MIN || erasesize % 4 !== 0)) {
      throw new InspectError(
        `erase size ${erasesize}: at least ${ERASESIZE_MIN} bytes, a multiple of 4`,
      );
    }
    if (offset !== undefined && offset > file.length) {
      throw new InspectError(`offset ${offset}: the file has only ${file.length} bytes`);
    }
    this.#host = options.host ?? {};
    const detect = (
      bytes: Uint8Array,
      erase: number | undefined,
      at: number | undefined,
    ): Jffs2Detection | null =>
      jffs2_detect(imageBytes(bytes), {
        ...(erase !== undefined && { erasesize: erase }),
        ...(at !== undefined && { offset: at }),
      });
    const plain = options.nand === undefined ? detect(file, undefined, offset) : null;
    const isPlain = options.nand === false || isSurelyPlain(plain);
    this.nand = isPlain ? null : readNand(file, offset ?? 0, options.nand || undefined);
    // A chip's pages begin where the file does, or where was said.
    const flash = this.nand?.data ?? file;
    const start = this.nand === null ? offset : 0;
    const known = erasesize ?? this.nand?.erasesize ?? undefined;
    const isLooked = options.nand === undefined && this.nand === null && known === undefined;
    const detection = isLooked ? plain : detect(flash, known, start);
    this.detection = detection;
    this.offset = offset ?? (this.nand === null ? (detection?.offset ?? 0) : 0);
    this.erasesize = known ?? detection?.erasesize ?? ERASESIZE_DEFAULT;
    this.certain = known !== undefined || (detection?.certain ?? false);
    const found = detection?.endian ?? LITTLE_ENDIAN;
    this.endian = endian === undefined ? found : endian === 'little' ? LITTLE_ENDIAN : BIG_ENDIAN;
    const from = start ?? detection?.offset ?? 0;
    const end = size === undefined ? flash.length : Math.min(flash.length, from + size);
    this.bytes = flash.subarray(from, Math.max(from, end));
    if (this.bytes.length > FLASH_BYTES_MAX) {
      throw new InspectError('a flash has less than 4 GiB; give offset and size of a part');
    }
    const evidence = [
      ...(this.nand?.evidence ?? []),
      ...(detection?.evidence ?? ['no JFFS2 node anywhere']),
    ];
    if (detection !== null && !this.isAsDetected) {
      evidence.push(`taken for ${this.endian.name} endian all the same, as asked`);
    }
    this.evidence = evidence;
    this.compressors = new jffs2_compressors({ zlib: this.#host.codecs });
  }

  /** Whether nodes were found in the byte order in which it is read. */
  get isAsDetected(): boolean {
    return this.detection?.endian === this.endian;
  }

  /** Erase blocks, the last one perhaps cut short. */
  get blocks(): number {
    return Math.ceil(this.bytes.length / this.erasesize);
  }

  /** Whether a chip would report wrong bits, corrected or not, in the pages of a range. */
  hasWrongBits(at: number, length: number): boolean {
    if (this.nand === null) return false;
    const { writesize, pageHasWrongBits } = this.nand;
    const first = Math.floor(at / writesize);
    return pageHasWrongBits.subarray(first, Math.ceil((at + length) / writesize)).includes(1);
  }

  /** JFFS2's CRC of a range of the flash. */
  crc(at: number, length: number): number {
    const { crc32 } = this.#host;
    if (length < HOST_CRC_BYTES_MIN || crc32 === undefined) {
      return crc32_le(0, this.bytes, at, length);
    }
    return ~crc32(this.bytes, at, length, 0xffffffff) >>> 0;
  }

  /** Two bytes at an offset on the flash, in its byte order. */
  u16(at: number): number {
    return this.endian.u16(this.bytes, at);
  }

  /** Four bytes at an offset on the flash, in its byte order. */
  u32(at: number): number {
    return this.endian.u32(this.bytes, at);
  }
}

/**
 * Cleanmarkers or summaries stand at distances that are a power of two: there is no OOB between.
 * Looking for pages costs more than this.
 */
function isSurelyPlain(found: Jffs2Detection | null): boolean {
  return (
    found !== null &&
    (found.erasesize & (found.erasesize - 1)) === 0 &&
    found.evidence.some((sentence) => sentence.includes('the usual distance of'))
  );
}

/** Bytes in memory as detection wants them. */
function imageBytes(file: Uint8Array): Parameters<typeof jffs2_detect>[0] {
  return {
    sizeBytes: file.length,
    read(buffer, bufferOffset, length, position): number {
      const part = file.subarray(position, Math.min(file.length, position + length));
      buffer.set(part, bufferOffset);
      return part.length;
    },
  };
}

export const hex = (value: number): string => `0x${value.toString(16)}`;
