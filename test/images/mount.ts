/** Mounts an image in memory, with virtual time, the way the comparisons with other programs need. */
import { mount_fs } from '../../src/dcache/mount.js';
import { JFFS2_SB_INFO } from '../../src/jffs2/fs.js';
import type { jffs2_sb_info } from '../../src/jffs2/nodelist.js';
import { jffs2_fs_type } from '../../src/jffs2/super.js';
import { l2p } from '../../src/l2p/l2p.js';
import { SB_RDONLY } from '../../src/lump/fs.js';
import { Lump } from '../../src/lump/lump.js';
import type { mtd_info } from '../../src/mtd/mtd.js';
import { nand_chip } from '../../src/mtd/nand.js';
import { nor_chip } from '../../src/mtd/nor.js';
import { RamBacking } from '../../src/mtd/ram_backing.js';
import { nodeZlib } from '../../src/rumpuser/node_zlib.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { Ukfs } from '../../src/ukfs/ukfs.js';
import type { ByteOrder } from './swap_byte_order.js';

/** Programming and erasing take virtual time, as on a chip, so that the clock never stands still. */
const PROGRAM_MS = 0.1;
const ERASE_MS = 2;

class TimedBacking extends RamBacking {
  erases = 0;
  private readonly host: SimulatedHost;
  private readonly limits: MountImageOptions;

  constructor(host: SimulatedHost, cells: Uint8Array, limits: MountImageOptions) {
    super(cells);
    this.host = host;
    this.limits = limits;
  }

  override write(to: number, len: number, buf: Uint8Array, bufOffset: number): void {
    if (this.limits.clock !== 'stopped') this.host.advance(PROGRAM_MS);
    super.write(to, len, buf, bufOffset);
  }

  override fill(from: number, len: number): void {
    if (this.limits.clock !== 'stopped') this.host.advance(ERASE_MS);
    this.erases++;
    if (this.erases > (this.limits.erasesMax ?? Number.POSITIVE_INFINITY)) {
      throw new Error(`more than ${this.limits.erasesMax} erases`);
    }
    super.fill(from, len);
  }
}

/** As in the kernel: the smallest flash that jffs2 mounts. */
const ERASE_BLOCKS_MIN = 5;

export interface NandPages {
  readonly pageSizeBytes: number;
  readonly oobSizeBytes: number;
}

export interface MountImageOptions {
  readonly eraseSizeBytes: number;
  /** The image holds pages, each followed by its OOB. Absent: NOR. */
  readonly nand?: NandPages;
  readonly byteOrder?: ByteOrder;
  readonly readOnly?: boolean;
  /** Further mount options, comma-separated. */
  readonly options?: string;
  /** Seed of the scheduler and of chance. */
  readonly seed?: number;
  /** 'stopped': flash operations take no time. Default: they do. */
  readonly clock?: 'running' | 'stopped';
  /** The erase after this many throws: a bound for work that must come to an end. */
  readonly erasesMax?: number;
}

export interface MountedImage {
  readonly ukfs: Ukfs;
  readonly lump: Lump;
  readonly host: SimulatedHost;
  /** What jffs2 knows of the medium. */
  readonly c: jffs2_sb_info;
  readonly mtd: mtd_info;
  /** A copy of the flash as it is now. */
  image(): Uint8Array;
}

/**
 * @param image not changed; a size in bytes for a blank flash. Where it ends before the fifth erase
 *   block or within one, erased flash follows.
 * @throws Errno what mount(2) answers.
 */
export function mountImage(image: Uint8Array | number, options: MountImageOptions): MountedImage {
  const { eraseSizeBytes, nand, readOnly = false, seed = 1 } = options;
  const length = typeof image === 'number' ? image : image.length;
  const oobBytes =
    nand === undefined ? 0 : (eraseSizeBytes / nand.pageSizeBytes) * nand.oobSizeBytes;
  const blockBytes = eraseSizeBytes + oobBytes;
  const blocks = Math.max(Math.ceil(length / blockBytes), ERASE_BLOCKS_MIN);
  const cells = new Uint8Array(blocks * blockBytes).fill(0xff);
  if (typeof image !== 'number') cells.set(image);

  const host = new SimulatedHost({ seed, codecs: nodeZlib() });
  const backing = new TimedBacking(host, cells, options);
  const common = { name: 'image', erasesize: eraseSizeBytes, readOnly };
  const chip =
    nand === undefined
      ? new nor_chip(host, backing, common)
      : new nand_chip(host, backing, {
          ...common,
          writesize: nand.pageSizeBytes,
          oobsize: nand.oobSizeBytes,
        });
  return { ...mountChip(host, chip, options), mtd: chip, image: () => cells.slice() };
}

/** Mounts a chip that the caller made. */
export function mountChip(
  host: SimulatedHost,
  chip: mtd_info,
  options: Omit<MountImageOptions, 'eraseSizeBytes' | 'nand'> = {},
): Omit<MountedImage, 'image' | 'mtd'> {
  const { byteOrder = 'le', readOnly = false, seed = 1 } = options;
  const lump = new Lump({ host, seed });
  lump.filesystems.register_filesystem(jffs2_fs_type);
  const endian = byteOrder === 'le' ? 'endian=little' : 'endian=big';
  const text = options.options === undefined ? endian : `${endian},${options.options}`;
  const sb = mount_fs(lump, 'jffs2', chip, readOnly ? SB_RDONLY : 0, text);
  return { ukfs: new Ukfs(new l2p(sb)), lump, host, c: JFFS2_SB_INFO(sb) };
}
