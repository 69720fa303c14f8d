/** Making chips: on an image file of the host, or in memory. Start here. */
import { Errno } from '../lump/errno.js';
import type { HostFile, HostFileInfo, Rumpuser } from '../rumpuser/rumpuser.js';
import type { chip_description, chip_kind } from './chip_description.js';
import type { FlashBacking } from './backing.js';
import { FileBacking } from './file_backing.js';
import type { flash_chip, flash_chip_options } from './flash_chip.js';
import { errnoOfHost } from './host_error.js';
import { nand_chip, type nand_chip_options } from './nand.js';
import type { nand_bbt_kind } from './nand_bbt.js';
import { type nand_ecc_name, nand_ecc_of } from './nand_ecc.js';
import { nand_decode_id } from './nand_ids.js';
import { dump_block_bytes, layout_backing, type nand_dump_layout } from './nand_layout.js';
import { nand_ooblayout_of } from './nand_oob.js';
import type { nandsim_parameters } from './nandsim.js';
import { nor_chip } from './nor.js';
import { ram_chip } from './ram.js';
import { RamBacking } from './ram_backing.js';
import {
  read_sidecar,
  replay_journal,
  set_aside,
  sidecar,
  sidecar_path,
  type sidecar_content,
} from './sidecar.js';
import { wear_counters, type wear_store } from './wear.js';

const WINDOW_BYTES = 128 * 1024;
const CACHE_BYTES = 16 * 1024 * 1024;

/** How to open an image; what is left out, the sidecar tells or a default. Bytes. */
export interface mtd_open_options {
  /** Writes nothing: neither the image nor a sidecar. */
  readonly readOnly?: boolean;
  /** Makes the file when it is missing; `size` and `erasesize` must be given. */
  readonly create?: boolean;
  /** Default: 'nor'. */
  readonly type?: chip_kind;
  /** Bytes. Default: what the sidecar says; there is no other. */
  readonly erasesize?: number;
  /**
   * NAND: the chip's id bytes. They give the kind and what of `erasesize`, `writesize` and
   * `oobsize` is missing, with `create` also the size, and where bad blocks are marked.
   */
  readonly id?: readonly number[];
  /** NAND: bytes of a page and of its OOB. Default: what the sidecar says; there is no other. */
  readonly writesize?: number;
  readonly oobsize?: number;
  /** NAND. Default: what the sidecar says, or 'hamming'. */
  readonly ecc?: nand_ecc_name;
  /** NAND: how the image holds its pages. Default: what the sidecar says, or 'raw'. */
  readonly layout?: nand_dump_layout;
  /** NAND: bad-block table on flash. Default: one that is there is kept, none is made. */
  readonly bbt?: nand_bbt_kind;
  /** NAND: faults of the chip. Default: none. */
  readonly nandsim?: nandsim_parameters;
  /** Where the chip starts in the file, bytes. */
  readonly offset?: number;
  /**
   * Size of the chip in bytes, OOB not counted. Default: what the sidecar says, or the rest of the
   * file, rounded up to whole erase blocks. More than the file holds, or than the sidecar says: the
   * rest is erased flash, the chip grows. Less: `offset` must be given too (0 will do), to say that
   * a part is meant.
   */
  readonly size?: number;
  /** Default: the file's name. */
  readonly name?: string;
  /** Keep wear and description beside the image. Default: yes, but not for devices of the host. */
  readonly sidecar?: boolean;
  /** Unit of reading, rounded up to whole erase blocks. Default: 128 KiB. */
  readonly windowBytes?: number;
  /** Memory for what was read lately. Default: 16 MiB. */
  readonly cacheBytes?: number;
}

/** An open image: the chip, and where it came from. */
export interface mtd_image {
  readonly mtd: flash_chip;
  readonly path: string;
  /** Bytes at the end of the chip that the file does not hold (they read 0xFF). */
  readonly paddingBytes: number;
  /** Null when no sidecar is kept. */
  readonly sidecarPath: string | null;
  /** Closes the chip and lets the image's lock go; `mtd.close()` does the same. Idempotent. */
  close(): void;
}

/**
 * Opens an image file as a chip and locks it: against everybody else, or, read-only, against
 * writers.
 *
 * @throws EBUSY the image is in use (the message says by whom, if the host knows); ENOENT, EACCES,
 *   EROFS, … as the host says; EISDIR, ENODEV it is no regular file or block device; EINVAL a size
 *   that does not fit the file, the other sizes or the sidecar, or the erase size is not known.
 */
export function mtd_open_image(
  host: Rumpuser,
  path: string,
  given: mtd_open_options = {},
): mtd_image {
  const options = with_id(given, given.create ?? false);
  const { readOnly = false, create = false, offset = 0 } = options;
  if (create && !(options.size! % options.erasesize! === 0)) {
    // Before a file is made that would have to be removed again.
    throw new Errno('EINVAL', `${path}: to create an image, give its size in whole erase blocks`);
  }
  const { file, lock, info } = open_and_lock(host, path, readOnly, create && !readOnly);
  try {
    const wanted = options.sidecar ?? info.type === 'regular';
    const sidecarPath = wanted ? sidecar_path(path, offset) : null;
    const content = sidecarPath === null ? null : read_sidecar(host, sidecarPath);
    const description = describe(path, info, options, sidecarPath, content);
    const { erasesize } = description;
    const blockBytes = block_bytes(description);
    const cellBytes = (description.size / erasesize) * blockBytes;
    const { wear, store } = keep_wear(host, readOnly, description, sidecarPath, content);
    const cells = new FileBacking(file, {
      sizeBytes: cellBytes,
      offsetBytes: offset,
      windowBytes: Math.ceil((options.windowBytes ?? WINDOW_BYTES) / blockBytes) * blockBytes,
      cacheBytes: options.cacheBytes ?? CACHE_BYTES,
      lock,
    });
    const { nandsim, bbt } = options;
    const mtd = new_chip(host, as_raw_pages(cells, description), description, {
      readOnly,
      wear,
      ...(store && { store }),
      ...(nandsim && { nandsim }),
      ...(bbt !== undefined && { bbt }),
    });
    return {
      mtd,
      path,
      paddingBytes: Math.max(0, offset + cellBytes - info.sizeBytes),
      sidecarPath,
      close: () => mtd.close(),
    };
  } catch (error) {
    file.close();
    lock.unlock();
    throw error;
  }
}

/** Fills in what the id bytes say. @throws EINVAL an unknown id */
function with_id<T extends mtd_open_options>(options: T, andSize: boolean): T {
  if (options.id === undefined) return options;
  const { size, erasesize, writesize, oobsize } = nand_decode_id(options.id);
  return { type: 'nand', erasesize, writesize, oobsize, ...(andSize && { size }), ...options };
}

/** A chip in memory. Bytes. */
export interface mtd_ram_options {
  /** Both may be left out with `id`. */
  readonly size?: number;
  readonly erasesize?: number;
  /** NAND: as in {@link mtd_open_options}. */
  readonly id?: readonly number[];
  /** What it holds, NAND's pages each with its raw OOB: used, not copied. Default: it is erased. */
  readonly content?: Uint8Array;
  /** Default: 'nor'. */
  readonly type?: chip_kind;
  readonly name?: string;
  /** NAND only; needed there. */
  readonly writesize?: number;
  readonly oobsize?: number;
  /** NAND only. Default: 'hamming'. */
  readonly ecc?: nand_ecc_name;
  /** NAND only. Default: 3 up to 512 bytes a page, then 4. */
  readonly nop?: number;
  /** NAND only: bad-block table on flash. Default: none. */
  readonly bbt?: nand_bbt_kind;
  /** NAND only: faults of the chip. Default: none. */
  readonly nandsim?: nandsim_parameters;
}

/** An erased chip in memory, forgotten when it is closed. */
export function mtd_new_ram(host: Rumpuser, given: mtd_ram_options): flash_chip {
  const options = with_id(given, true);
  const { type: kind = 'nor', writesize = 1, oobsize = 0, ecc, id } = options;
  const { size = Number.NaN, erasesize = Number.NaN } = options;
  const { name = `${kind} in memory` } = options;
  const description = {
    kind,
    name,
    size,
    erasesize,
    writesize,
    oobsize,
    ...(kind === 'nand' && { ecc: ecc ?? 'hamming' }),
    ...(id && { id }),
  } as const;
  if (!(size >= 0 && Number.isInteger(size / erasesize))) {
    throw new Errno('EINVAL', `${name}: ${size} bytes are no whole blocks of ${erasesize}`);
  }
  const bytes = (size / erasesize) * block_bytes(description);
  const { content } = options;
  if (content !== undefined && content.length !== bytes) {
    throw new Errno('EINVAL', `${name}: ${content.length} bytes for a chip of ${bytes}`);
  }
  const cells = new RamBacking(content ?? bytes);
  const { nop, nandsim, bbt } = options;
  return new_chip(host, cells, description, {
    ...(nop !== undefined && { nop }),
    ...(bbt !== undefined && { bbt }),
    ...(nandsim && { nandsim }),
  });
}

/**
 * The chip of a description on its cells: a backing of whole blocks, of NAND with their OOB.
 * @throws EINVAL geometry that does not fit together.
 */
export function new_chip(
  host: Rumpuser,
  backing: FlashBacking,
  description: chip_description,
  options: Omit<flash_chip_options, 'name' | 'erasesize'> &
    Pick<nand_chip_options, 'nop' | 'nandsim' | 'bbt'>,
): flash_chip {
  const { kind, name, erasesize, writesize, oobsize, ecc } = description;
  const all = { ...options, name, erasesize };
  if (kind === 'nor') return new nor_chip(host, backing, all);
  if (kind === 'ram') return new ram_chip(host, backing, all);
  const badblockPages = description.id && nand_decode_id(description.id).badblockPages;
  return new nand_chip(host, backing, {
    ...all,
    writesize,
    oobsize,
    ...(ecc && { ecc }),
    ...(badblockPages && { badblockPages }),
  });
}

/** Bytes of an erase block in the image. */
function block_bytes(description: chip_description): number {
  return dump_block_bytes(description, description.layout ?? 'raw');
}

/** The image of a NAND chip as pages with their raw OOB; others as they are. */
function as_raw_pages(image: FlashBacking, description: chip_description): FlashBacking {
  const { writesize, oobsize, ecc: name, layout = 'raw' } = description;
  if (layout === 'raw') return image;
  const ecc = nand_ecc_of(name ?? 'hamming');
  const ooblayout = nand_ooblayout_of(writesize, oobsize, ecc);
  // The chip will say what is wrong.
  if (ooblayout === null) return image;
  return new layout_backing(image, description, layout, ooblayout, ecc);
}

function open_and_lock(
  host: Rumpuser,
  path: string,
  readOnly: boolean,
  create: boolean,
): { file: HostFile; lock: { unlock(): void }; info: HostFileInfo } {
  let file: HostFile | undefined;
  let lock: { unlock(): void } | undefined;
  try {
    // A file that is to be made must exist before it can be locked.
    if (create) file = host.open(path, 'create');
    const type = host.getfileinfo(path).type;
    if (type === 'directory') throw new Errno('EISDIR', `${path} is a directory`);
    if (type !== 'regular' && type !== 'block') {
      throw new Errno('ENODEV', `${path} is neither a file nor a block device`);
    }
    lock = host.lock(path, readOnly ? 'shared' : 'exclusive');
    file ??= host.open(path, readOnly ? 'read' : 'write');
    // Asked when the lock is held: until then the last writer may still have made it longer.
    return { file, lock, info: { type, sizeBytes: file.size() } };
  } catch (error) {
    lock?.unlock();
    file?.close();
    throw errnoOfHost(error);
  }
}

/** Decides what the chip is, from what is asked for, the sidecar and the file. */
function describe(
  path: string,
  info: HostFileInfo,
  options: mtd_open_options,
  sidecarPath: string | null,
  content: sidecar_content | null,
): chip_description {
  const fail = (message: string): never => {
    throw new Errno('EINVAL', `${path}: ${message}`);
  };
  const { offset = 0 } = options;
  const known = content?.snapshot?.description;
  if (!Number.isSafeInteger(offset) || offset < 0) fail(`offset ${offset} is no offset`);

  const kind = options.type ?? known?.kind ?? 'nor';
  const erasesize =
    options.erasesize ??
    known?.erasesize ??
    fail('the erase size is not known; give it (64 KiB is the usual one of NOR flash)');
  if (!Number.isSafeInteger(erasesize) || erasesize <= 0) fail(`erase size ${erasesize}`);

  const page = describe_page(kind, erasesize, options, known, fail);
  const name = options.name ?? known?.name ?? path.slice(path.lastIndexOf('/') + 1);
  const held = info.sizeBytes - offset;
  const blockBytes = block_bytes({ kind, name, size: 0, erasesize, ...page });
  const size = options.size ?? known?.size ?? whole_blocks(info, offset, blockBytes) * erasesize;
  const cellBytes = (size / erasesize) * blockBytes;
  if (held < 0 || (held === 0 && offset > 0)) {
    fail(`offset ${offset} is past the end of the file (${info.sizeBytes} bytes)`);
  }
  if (size === 0 && info.sizeBytes === 0) fail('the file is empty; give a size');
  if (!Number.isSafeInteger(size) || size <= 0 || size % erasesize !== 0) {
    fail(`${size} bytes are no whole number of erase blocks of ${erasesize}`);
  }
  if (known !== undefined) {
    for (const [what, described, asked] of [
      ['kind', known.kind, kind],
      ['erase size', known.erasesize, erasesize],
      ['size', known.size, size],
      ['page size', known.writesize, page.writesize],
      ['OOB size', known.oobsize, page.oobsize],
      ['ECC', known.ecc, page.ecc],
      ['layout', known.layout, page.layout],
    ]) {
      if (described === asked) continue;
      // A chip may grow: what is new is erased and has no wear.
      if (what === 'size' && size > known.size) continue;
      fail(
        `${what} ${asked} is asked for, but ${sidecarPath} describes a chip of ${what} ` +
          `${described}; remove that file if this is another chip (its wear starts at 0)`,
      );
    }
  }
  if (cellBytes < held && options.offset === undefined) {
    const shorter = options.size === undefined ? `${sidecarPath} says` : 'asked for are';
    fail(
      `the file holds ${held} bytes, ${shorter} ${cellBytes}; ` +
        'with an offset (0 will do) only that part is opened',
    );
  }
  if (info.type === 'block' && cellBytes > held) {
    fail(`the device holds ${held} bytes of ${cellBytes}`);
  }
  return { kind, name, size, erasesize, ...page };
}

/** Pages and ECC; NOR and RAM have neither. */
function describe_page(
  kind: chip_kind,
  erasesize: number,
  options: mtd_open_options,
  known: chip_description | undefined,
  fail: (message: string) => never,
): Pick<chip_description, 'writesize' | 'oobsize' | 'ecc' | 'layout' | 'id'> {
  if (kind !== 'nand') return { writesize: 1, oobsize: 0 };
  const writesize = options.writesize ?? known?.writesize ?? fail('the page size is not known');
  const oobsize = options.oobsize ?? known?.oobsize ?? fail('the OOB size is not known');
  if (
    !(writesize >= 256 && Number.isInteger(Math.log2(writesize)) && erasesize % writesize === 0)
  ) {
    fail(`pages of ${writesize} bytes do not make erase blocks of ${erasesize}`);
  }
  // The smallest page has 8 bytes beside it, and no chip has more OOB than data.
  if (!(Number.isInteger(oobsize) && oobsize >= 8 && oobsize <= writesize)) {
    fail(`pages of ${writesize} bytes do not have ${oobsize} bytes of OOB`);
  }
  const ecc = options.ecc ?? known?.ecc ?? 'hamming';
  const id = options.id ?? known?.id;
  const layout = options.layout ?? known?.layout ?? 'raw';
  return { writesize, oobsize, ecc, layout, ...(id && { id }) };
}

/** The rest of a file is padded to whole blocks; a device cannot grow and is cut. */
function whole_blocks(info: HostFileInfo, offset: number, blockBytes: number): number {
  const blocks = (info.sizeBytes - offset) / blockBytes;
  return info.type === 'block' ? Math.floor(blocks) : Math.ceil(blocks);
}

/** Counters to go on with, and the sidecar that will keep them (none for a read-only chip). */
function keep_wear(
  host: Rumpuser,
  readOnly: boolean,
  description: chip_description,
  path: string | null,
  content: sidecar_content | null,
): { wear: wear_counters; store: wear_store | undefined } {
  const blocks = description.size / description.erasesize;
  let wear = content?.snapshot?.wear ?? new wear_counters(blocks);
  if (path === null) return { wear, store: undefined };
  if (content !== null) replay_journal(content, wear);

  let bytesOnHost = content === null || content.torn ? 0 : content.bytes.length;
  if (wear.eraseCount.length < blocks) {
    wear = wear.grown(blocks);
    bytesOnHost = 0;
  }
  if (content !== null && content.badLines.length > 0) {
    const start = content.snapshot === null ? 'its counters are lost' : 'some counts are lost';
    let kept = 'left alone';
    bytesOnHost = 0;
    if (!readOnly) {
      try {
        kept = `kept as ${set_aside(host, path, content.bytes)}`;
      } catch (error) {
        if (!(error instanceof Errno)) throw error;
        // Better no new counts than none of the old ones.
        host.console(3, `mtd: ${path} is damaged and cannot be set aside: ${error.message}`);
        return { wear, store: undefined };
      }
    }
    const lines = content.badLines.slice(0, 5).join(', ');
    host.console(3, `mtd: ${path} is damaged (line ${lines}): ${start}; the file is ${kept}`);
  }
  if (readOnly) return { wear, store: undefined };
  return { wear, store: new sidecar(host, path, description, wear, bytesOnHost) };
}
