/**
 * How jffs2 divides a chip: Linux's jffs2_flash_setup and what goes before it. Facts: reference
 * jffs2.md §5.1.
 */
import { Errno } from '../lump/errno.js';
import type { mtd_info } from '../mtd/mtd.js';
import {
  MTD_BIT_WRITEABLE,
  MTD_DATAFLASH,
  MTD_MLCNANDFLASH,
  MTD_NANDFLASH,
  MTD_NORFLASH,
  MTD_RAM,
  MTD_ROM,
  MTD_UBIVOLUME,
} from '../mtd/mtd.js';
import { HEADER_SIZE, PAD } from './medium.js';

/** Byte offsets are u32, in memory and in summaries. */
const FLASH_SIZE_MAX = 2 ** 32;
const BLOCKS_MIN = 5;
/** A DataFlash "erase block" is one page: several make a block that nodes fit into. */
const DATAFLASH_BLOCK_PAGES = 8;
const DATAFLASH_BLOCK_MIN = 8192;
const ECC_NOR_CLEANMARKER_MIN = 16;
/** Bytes of a cleanmarker in OOB: the header without its CRC. */
const OOB_CLEANMARKER_MAX = 8;

export interface jffs2_geometry {
  /** Bytes of an erase block, as jffs2 counts them: a multiple of the chip's. */
  readonly sector_size: number;
  readonly nr_blocks: number;
  /** Bytes of the cleanmarker at the start of each erased block; 0 = none there. */
  readonly cleanmarker_size: number;
  /** Bytes of the cleanmarker in the OOB of each erased block's first page; 0 = none there. */
  readonly oob_cleanmarker: number;
  /** Bytes of a page of the write buffer; 0 = nodes are programmed as they are written. */
  readonly wbuf_pagesize: number;
}

/** @throws EINVAL a chip that jffs2 cannot live on. */
export function jffs2_flash_setup(mtd: mtd_info): jffs2_geometry {
  if (mtd.size > FLASH_SIZE_MAX) {
    throw new Errno('EINVAL', `${mtd.size} bytes: jffs2 counts in 32 bits, up to 4 GiB`);
  }
  let sector_size = mtd.erasesize;
  let cleanmarker_size = 0;
  let oob_cleanmarker = 0;
  let wbuf_pagesize = 0;
  switch (mtd.type) {
    case MTD_NORFLASH:
    case MTD_RAM:
    case MTD_ROM: {
      cleanmarker_size = HEADER_SIZE;
      const byPages = mtd.type === MTD_NORFLASH && (mtd.flags & MTD_BIT_WRITEABLE) === 0;
      if (byPages && mtd.writesize > 1) {
        wbuf_pagesize = mtd.writesize;
        cleanmarker_size = Math.max(ECC_NOR_CLEANMARKER_MIN, mtd.writesize);
      }
      break;
    }
    case MTD_NANDFLASH:
      if (mtd.oobavail === 0) {
        throw new Errno('EINVAL', `${mtd.name}: its OOB has no room for a cleanmarker`);
      }
      wbuf_pagesize = mtd.writesize;
      oob_cleanmarker = Math.min(mtd.oobavail, OOB_CLEANMARKER_MAX);
      break;
    case MTD_DATAFLASH:
      wbuf_pagesize = mtd.erasesize;
      sector_size = DATAFLASH_BLOCK_PAGES * mtd.erasesize;
      while (sector_size < DATAFLASH_BLOCK_MIN) sector_size *= 2;
      break;
    case MTD_UBIVOLUME:
      wbuf_pagesize = mtd.writesize === 1 ? 0 : mtd.writesize;
      break;
    case MTD_MLCNANDFLASH:
      throw new Errno('EINVAL', 'jffs2 does not work on MLC NAND');
    default:
      throw new Errno('EINVAL', `jffs2 cannot use a chip of type ${mtd.type}`);
  }
  for (const [what, bytes] of [
    ['erase blocks', sector_size],
    ['pages', wbuf_pagesize],
  ] as const) {
    if (bytes !== PAD(bytes)) {
      throw new Errno('EINVAL', `${what} of ${bytes} bytes: no whole number of words`);
    }
  }
  if (wbuf_pagesize > 0 && sector_size % wbuf_pagesize !== 0) {
    throw new Errno('EINVAL', `pages of ${wbuf_pagesize} bytes do not fill erase blocks`);
  }
  const nr_blocks = Math.floor(mtd.size / sector_size);
  if (nr_blocks < BLOCKS_MIN) {
    throw new Errno(
      'EINVAL',
      `too few erase blocks: ${nr_blocks} of ${sector_size} bytes; jffs2 needs at least ` +
        `${BLOCKS_MIN}`,
    );
  }
  return { sector_size, nr_blocks, cleanmarker_size, oob_cleanmarker, wbuf_pagesize };
}
