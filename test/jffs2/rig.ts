/**
 * A jffs2 on a chip in memory, for tests: made, mounted, forked, mounted again.
 */
import { mount_fs } from '../../src/dcache/mount.js';
import { jffs2_dbg_acct_paranoia_check } from '../../src/jffs2/debug.js';
import { jffs2_fsck } from '../../src/jffs2/fsck.js';
import { JFFS2_SB_INFO } from '../../src/jffs2/fs.js';
import type { jffs2_sb_info } from '../../src/jffs2/nodelist.js';
import { jffs2_fs_type } from '../../src/jffs2/super.js';
import { l2p } from '../../src/l2p/l2p.js';
import { SB_RDONLY, type super_block } from '../../src/lump/fs.js';
import { Lump } from '../../src/lump/lump.js';
import type { mtd_info } from '../../src/mtd/mtd.js';
import { nor_chip } from '../../src/mtd/nor.js';
import { RamBacking } from '../../src/mtd/ram_backing.js';
import { nodeZlib } from '../../src/rumpuser/node_zlib.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { Ukfs } from '../../src/ukfs/ukfs.js';

export interface RigOptions {
  sizeBytes?: number;
  eraseBytes?: number;
  options?: string;
  readOnly?: boolean;
  seed?: number;
  /** What the chip holds (used, not copied); sizeBytes is its length then. */
  image?: Uint8Array;
  /** A chip that exists already. */
  mtd?: mtd_info;
  host?: SimulatedHost;
  pageCacheBytes?: number;
}

/** A host with zlib whose clock stands still until it is advanced. */
export function newHost(seed = 1): SimulatedHost {
  return new SimulatedHost({ seed, codecs: nodeZlib() });
}

/** A NOR chip that holds `image` (used, not copied). */
export function norChip(host: SimulatedHost, image: Uint8Array, erasesize: number): nor_chip {
  return new nor_chip(host, new RamBacking(image), { name: 'nor', erasesize });
}

export class Rig {
  readonly host: SimulatedHost;
  readonly mtd: mtd_info;
  lump!: Lump;
  sb!: super_block;
  fs!: l2p;
  u!: Ukfs;
  private readonly opts: RigOptions;

  constructor(opts: RigOptions = {}) {
    this.opts = opts;
    this.host = opts.host ?? newHost(opts.seed);
    const blank = (): Uint8Array => new Uint8Array(opts.sizeBytes ?? 1 << 20).fill(0xff);
    this.mtd = opts.mtd ?? norChip(this.host, opts.image ?? blank(), opts.eraseBytes ?? 65536);
    this.mount();
  }

  get c(): jffs2_sb_info {
    return JFFS2_SB_INFO(this.sb);
  }

  mount(
    options = this.opts.options ?? '',
    readOnly = this.opts.readOnly ?? false,
    type = jffs2_fs_type,
  ): void {
    const { seed = 1, pageCacheBytes } = this.opts;
    this.lump = new Lump({
      host: this.host,
      seed,
      ...(pageCacheBytes !== undefined && { pageCacheBytes }),
    });
    this.lump.filesystems.register_filesystem(type);
    this.sb = mount_fs(this.lump, 'jffs2', this.mtd, readOnly ? SB_RDONLY : 0, options);
    this.fs = new l2p(this.sb);
    this.u = new Ukfs(this.fs);
  }

  /** Memory by itself: also where the chip cannot be read. */
  checkAccounting(): void {
    jffs2_dbg_acct_paranoia_check(this.c);
  }

  /** fsck of the mount: memory is what the medium says. */
  check(): void {
    const { problems } = jffs2_fsck(this.sb);
    if (problems.length === 0) return;
    const lines = problems.slice(0, 9).map(({ kind, ino, text }) => `${kind}, ${ino}: ${text}`);
    throw new Error(`fsck of the mounted file system:\n${lines.join('\n')}`);
  }

  /** Lets the background threads do all that they want, in virtual time. */
  settle(rounds = 10_000): void {
    for (let n = 0; n < rounds; n++) {
      const wait = this.lump.background();
      if (wait < 0) return;
      if (wait > 0) this.host.sleepMs(wait);
    }
  }

  umount(): void {
    this.u.unmount();
  }

  remount(options?: string, readOnly?: boolean): void {
    this.umount();
    this.mount(options, readOnly);
  }
}

/** Bytes that look like text (or, with a seed divisible by three, like noise); the same for the same seed. */
export function sampleBytes(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let x = (seed * 2654435761) >>> 0;
  for (let n = 0; n < length; n++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    bytes[n] = seed % 3 === 0 ? x >>> 24 : 97 + ((x >>> 24) & 7);
  }
  return bytes;
}
