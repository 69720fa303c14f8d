/**
 * The contract between a flash chip and the file system on it: Linux's `struct mtd_info`.
 *
 * Units: every address and length is in bytes from the start of *this* device (a partition starts
 * at 0); an erase block ("EB") is `erasesize` bytes. Erased flash reads 0xFF. All calls are
 * synchronous. Errors are thrown as Errno; each method lists its own. Calls that would break a rule
 * of the chip (setting a bit by programming, programming a page twice too often) are mistakes of
 * the file system and panic (BUG_ON), since real flash would silently lose data.
 *
 * Source of names and numbers: reference Linux 6.1, MTD section.
 */

/** `mtd_info.type`: MTD_ABSENT … MTD_MLCNANDFLASH. */
export const MTD_ABSENT = 0;
export const MTD_RAM = 1;
export const MTD_ROM = 2;
export const MTD_NORFLASH = 3;
export const MTD_NANDFLASH = 4;
export const MTD_DATAFLASH = 6;
export const MTD_UBIVOLUME = 7;
export const MTD_MLCNANDFLASH = 8;

/** `mtd_info.flags`. */
export const MTD_WRITEABLE = 0x400;
export const MTD_BIT_WRITEABLE = 0x800;
export const MTD_NO_ERASE = 0x1000;
export const MTD_CAP_ROM = 0;
export const MTD_CAP_RAM = MTD_WRITEABLE | MTD_BIT_WRITEABLE | MTD_NO_ERASE;
export const MTD_CAP_NORFLASH = MTD_WRITEABLE | MTD_BIT_WRITEABLE;
export const MTD_CAP_NANDFLASH = MTD_WRITEABLE;

/** `erase_info.fail_addr` when the chip cannot tell where an erase failed. */
export const MTD_FAIL_ADDR_UNKNOWN = -1;

/** A window onto flash handed out by {@link mtd_info.point}. */
export interface mtd_point {
  /** Bytes that contain the range; longer than it. Read-only for the caller. */
  buf: Uint8Array;
  /** Where in `buf` the range starts. */
  off: number;
}

/** A request to erase. Bytes; whole erase blocks (EBs). */
export interface erase_info {
  addr: number;
  len: number;
  /** Set when erase() throws EIO: the failing address or MTD_FAIL_ADDR_UNKNOWN. */
  fail_addr: number;
}

/**
 * Counts since the chip was attached: bits corrected, ECC steps beyond correction, bad blocks,
 * blocks of the bad-block table.
 */
export interface mtd_ecc_stats {
  corrected: number;
  failed: number;
  badblocks: number;
  bbtblocks: number;
}

/** OOB placement modes of mtd_oob_ops. */
export const MTD_OPS_PLACE_OOB = 0;
export const MTD_OPS_AUTO_OOB = 1;
export const MTD_OPS_RAW = 2;

/** Request of read_oob/write_oob. Either buffer may be null; lengths are then ignored. */
export interface mtd_oob_ops {
  mode: number;
  datbuf: Uint8Array | null;
  len: number;
  retlen: number;
  oobbuf: Uint8Array | null;
  ooboffs: number;
  ooblen: number;
  oobretlen: number;
}

/** Per-erase-block counters, exact, that survive remounts where the chip has a sidecar. */
export interface mtd_wear {
  /** Erase cycles begun, per EB. */
  readonly eraseCount: Uint32Array;
  /** Program operations, per EB. */
  readonly programCount: Uint32Array;
  /** Read operations, per EB (windows handed out by point count once). */
  readonly readCount: Uint32Array;
  /** Totals since the chip's description was made. */
  bytesProgrammed: number;
  bytesRead: number;
}

/**
 * A flash device, with the names of Linux's struct mtd_info. Units are bytes from its start.
 * Errors are thrown as Errno.
 */
export interface mtd_info {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  /** Total bytes; a whole number of EBs. */
  readonly size: number;
  readonly erasesize: number;
  /** Smallest unit of programming: 1 for NOR and RAM, the page for NAND. */
  readonly writesize: number;
  readonly writebufsize: number;
  /** Bytes beside each page, and how many of them ECC and bad-block marks leave to users. */
  readonly oobsize: number;
  readonly oobavail: number;
  /** `writesize >> subpage_sft` bytes may be programmed by themselves. */
  readonly subpage_sft: number;
  /** Bytes that are corrected together, and how many bits of them; 0: no ECC. */
  readonly ecc_step_size: number;
  readonly ecc_strength: number;
  /** read() answers EUCLEAN when so many bits of one ECC step were corrected; 0: never. */
  readonly bitflip_threshold: number;
  readonly ecc_stats: mtd_ecc_stats;
  readonly wear: mtd_wear;

  /**
   * Reads `len` bytes at `from` into `buf` from `bufOffset`.
   * @throws EINVAL out of range; EIO the host could not read; EUCLEAN data good but worn (corrected
   *   bit flips reached the threshold); EBADMSG uncorrectable (the buffer holds the raw bytes).
   */
  read(from: number, len: number, buf: Uint8Array, bufOffset: number): void;

  /**
   * Points `out` at the bytes without copying them, if the whole range lies in one window of the
   * backing. The view is valid until the next call on this device *of any kind*, except further
   * point() calls inside the same erase block. A range inside one erase block is always served by
   * NOR and RAM chips; NAND answers false (its reads go through ECC).
   * @returns false when the caller must use read().
   * @throws EINVAL out of range; EIO the host could not read.
   */
  point(from: number, len: number, out: mtd_point): boolean;

  /**
   * Programs `len` bytes. NOR: bits can only be cleared; asking for a 0→1 panics.
   * @returns bytes programmed (always len; a failure throws).
   * NAND: pages of a block in ascending order, each only so often as its data sheet says (NOP),
   * and no bit from 0 to 1; anything else panics.
   * @throws EINVAL out of range or unaligned to writesize (NAND: to a subpage); EROFS not
   *   writeable; EIO failed: then `lastRetlen` tells how much reached the flash (NAND: in whole
   *   pages; the next page holds anything).
   */
  write(to: number, len: number, buf: Uint8Array, bufOffset: number): number;
  /** Bytes that reached the flash in the last write() that threw. */
  readonly lastRetlen: number;

  /**
   * Sets whole EBs to 0xFF and counts the wear.
   * @throws EINVAL not aligned or out of range; EROFS; EIO failed (see erase_info.fail_addr).
   */
  erase(instr: erase_info): void;

  /** Everything programmed is on the host's stable storage when this returns. @throws EIO */
  sync(): void;

  /**
   * Between plug() and the unplug() that belongs to it, a chip on a file of the host may collect
   * programs of adjacent bytes and hand them to the host in one write; they are there when the
   * outermost unplug() returns. For an operation that programs several nodes in a row and is not
   * answered before its end (Linux's blk_start_plug is the model). Order is kept, and reads see
   * everything.
   */
  plug(): void;
  /**
   * @throws EIO the host did not take what was collected: nothing says which nodes are there, so
   *   the chip takes no more programs or erases (EIO each) until it is opened anew.
   */
  unplug(): void;

  /**
   * Reads data, OOB or both, from the page of `from` on. PLACE: OOB bytes as they lie in the chip;
   * AUTO: the free ones only, in a row; RAW: as PLACE, and data without ECC. The OOB stream goes on
   * over the pages, `ooboffs` applies to each.
   * @throws EOPNOTSUPP the chip has no OOB; EINVAL out of range; data as read(): EUCLEAN, EBADMSG
   *   (`retlen` and `oobretlen` are set then, too); EIO.
   */
  read_oob(from: number, ops: mtd_oob_ops): void;
  /**
   * Programs data, OOB or both in one go, modes as above. ECC bytes are the chip's own affair
   * except in mode RAW. @throws EOPNOTSUPP, EROFS, EINVAL, EIO as write().
   */
  write_oob(to: number, ops: mtd_oob_ops): void;
  /** Always false for chips without bad blocks. @throws EINVAL out of range. */
  block_isbad(ofs: number): boolean;
  /**
   * Marks the block for good: it is erased if that goes, and its marker is programmed. Nothing
   * happens to a block that is marked. @throws EOPNOTSUPP for chips without bad blocks; EROFS; EIO.
   */
  block_markbad(ofs: number): void;

  /** Writes counters and description out and lets the backing go. Idempotent. */
  close(): void;
}
