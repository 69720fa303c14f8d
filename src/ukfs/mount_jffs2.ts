/**
 * Puts a jffs2 mount together: host, kernel, chip, file system, translator. What is not told is
 * detected, and everything that was found out is reported with its evidence. A doubt makes the
 * mount read-only: nothing is written before all is known.
 *
 * The same function serves programs that use a file system as a library, and (as a module with
 * `open`) the thread that answers FUSE.
 */
import { mount_fs, remount } from '../dcache/mount.js';
import { JFFS2_SB_INFO } from '../jffs2/fs.js';
import { jffs2_fsck, type fsck_result } from '../jffs2/fsck.js';
import type { Jffs2Detection } from '../jffs2/detect.js';
import { jffs2_has_room } from '../jffs2/gc.js';
import { JFFS2_ROOT_INO } from '../jffs2/medium.js';
import type { jffs2_sb_info } from '../jffs2/nodelist.js';
import { jffs2_fs_type } from '../jffs2/super.js';
import { netbsd_to_linux_code } from '../l2p/errno.js';
import { l2p } from '../l2p/l2p.js';
import { Errno } from '../lump/errno.js';
import { SB_RDONLY, SB_SYNCHRONOUS, type super_block } from '../lump/fs.js';
import { Lump } from '../lump/lump.js';
import type { mtd_info } from '../mtd/mtd.js';
import { mtd_make_partitions } from '../mtd/mtdparts.js';
import { mtd_open_image } from '../mtd/open.js';
import type { nand_ecc_name } from '../mtd/nand_ecc.js';
import type { nand_dump_layout } from '../mtd/nand_layout.js';
import type { mtd_partition } from '../mtd/partition.js';
import { PUFFS_CRED_KERNEL } from '../puffs/cred.js';
import { MNT_FORCE, type puffs_ops } from '../puffs/puffs.js';
import { vattr_new } from '../puffs/vattr.js';
import { NodeHost } from '../rumpuser/node.js';
import { HostError, type Rumpuser } from '../rumpuser/rumpuser.js';
import { MountError } from './mount_error.js';
import { examine } from './mount_geometry.js';
import { createTrace, traceMount } from './mount_trace.js';

export { MountError } from './mount_error.js';

/** How to mount; what is left out is detected, or the default of Linux. Sizes in bytes. */
export interface MountJffs2Options {
  /** The image file, or a block device. */
  image: string;
  /** Neither the image nor anything beside it is created or changed. */
  readOnly?: boolean;
  endian?: 'little' | 'big';
  /** Bytes. */
  erasesize?: number;
  /** Where the flash starts in the file, bytes. */
  offset?: number;
  /** Size of the chip in bytes, OOB not counted; more than the file has is erased flash. */
  size?: number;
  /** Default: detected; a dump without OOB counts as NOR. */
  chip?: 'nor' | 'nand';
  /** NAND: id bytes of the chip in hex, as "20a20015"; they give what of the rest is missing. */
  id_bytes?: string;
  /** NAND: bytes of a page, and of its OOB. */
  writesize?: number;
  oobsize?: number;
  ecc?: nand_ecc_name;
  /** NAND: whether and how the image has OOB. */
  layout?: nand_dump_layout;
  /** Linux's text, with or without "mtdparts=" and the id of the chip, which is "flash". */
  mtdparts?: string;
  /** The partition of mtdparts to mount, by name or number. Default: the only one. */
  part?: string;
  compr?: string;
  /** KiB kept for the privileged. */
  rp_size?: number;
  /** Write erase block summaries. Default: yes. */
  summary?: boolean;
  /** Every write is on stable storage when it returns. */
  sync?: boolean;
  /** Who gets the root directory of a blank flash. Default: root. */
  rootOwner?: { readonly uid: number; readonly gid: number };
  /** Keep wear beside the image. Default: yes, if it is a file. */
  sidecar?: boolean;
  /** Check the mounted file system when it is mounted and before it is unmounted, and tell. */
  check?: boolean;
  /** Seed of the scheduler. */
  seed?: number;
  /** Bytes. */
  pageCacheBytes?: number;
}

/** A jffs2 that is mounted in this process, with all that is below it to look at. */
export interface MountedJffs2 {
  readonly fs: l2p;
  readonly lump: Lump;
  readonly sb: super_block;
  readonly mtd: mtd_info;
  /** jffs2's own view: accounting, damage. */
  readonly c: jffs2_sb_info;
  readonly detection: Jffs2Detection | null;
  readonly readOnly: boolean;
  /** What was found, a sentence a line. */
  readonly report: readonly string[];
  /** Is what memory holds what the medium says? Everything is read. @throws Errno EIO. */
  check(): fsck_result;
  /** Unmounts and closes the image. @throws Errno EBUSY, EIO. */
  unmount(force?: boolean): void;
}

/** mkfs.jffs2 makes no smaller ones. */
const ERASESIZE_MIN = 4096;
/** The chip's id in mtdparts=. */
const CHIP_NAME = 'flash';

/**
 * Mounts the jffs2 in an image.
 * @throws MountError; nothing is open or locked then.
 */
export function mountJffs2(
  options: MountJffs2Options,
  host: Rumpuser = new NodeHost(),
): MountedJffs2 {
  try {
    return mount(options, host);
  } catch (error) {
    if (error instanceof MountError) throw error;
    if (error instanceof HostError || error instanceof Errno) {
      throw new MountError(error.code, explain(error, options));
    }
    throw error;
  }
}

/** What hosts refuse most often, in words for a person. */
const HOST_REFUSALS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied; it must be readable, and writable unless mounted with ro',
  EROFS: 'its file system is read-only; mount with ro',
};

function explain(
  { code, message }: HostError | Errno,
  { image, size, readOnly }: MountJffs2Options,
): string {
  const refusal = HOST_REFUSALS[code];
  // Who gives a size may want a new one.
  const wantsNew = code === 'ENOENT' && size !== undefined && readOnly !== true;
  const advice = wantsNew ? `; for a blank flash make an empty file: truncate -s 0 ${image}` : '';
  // As Node words it; the chip's description beside the image can be refused as well.
  if (refusal !== undefined && message.endsWith(`'${image}'`)) {
    return `${image}: ${refusal}${advice}`;
  }
  const text = message.replace(`${code}: `, '');
  return text.includes(image) ? text : `${image}: ${text}`;
}

function mount(options: MountJffs2Options, host: Rumpuser): MountedJffs2 {
  checkOptions(options);
  const report: string[] = [];
  const doubts: string[] = [];
  const wantReadOnly = options.readOnly ?? false;

  const found = examine(options, host, report, doubts);
  const { geometry, detection } = found;
  const chip = mtd_open_image(host, options.image, {
    readOnly: wantReadOnly || doubts.length > 0,
    ...geometry,
    name: CHIP_NAME,
    ...(options.sidecar !== undefined && { sidecar: options.sidecar }),
  });
  try {
    let mtd: mtd_info = chip.mtd;
    if (options.mtdparts !== undefined) mtd = choosePartition(host, chip.mtd, options);
    report.push(
      `flash: ${mtd.size} bytes, ${Math.floor(mtd.size / mtd.erasesize)} erase blocks of ` +
        `${mtd.erasesize}${chip.paddingBytes > 0 ? `, the last ${chip.paddingBytes} bytes not in the file` : ''}`,
    );
    const bad = mtd.ecc_stats.badblocks;
    if (bad > 0) report.push(`the chip has ${bad} bad erase block${bad === 1 ? '' : 's'}`);
    const lump = new Lump({
      host,
      ...(options.seed !== undefined && { seed: options.seed }),
      ...(options.pageCacheBytes !== undefined && { pageCacheBytes: options.pageCacheBytes }),
    });
    lump.filesystems.register_filesystem(jffs2_fs_type);
    const words = jffs2Options(options, detection);
    const flags = options.sync ? SB_SYNCHRONOUS : 0;
    const sb = mount_fs(lump, 'jffs2', mtd, flags | SB_RDONLY, words);
    const c = JFFS2_SB_INFO(sb);
    if (c.ro_only) doubts.push('it has nodes that only readers may meet');
    if (!wantReadOnly && doubts.length === 0 && !jffs2_has_room(c)) {
      const grown = mtd.size + (c.resv_blocks_write + 3) * c.sector_size;
      doubts.push(
        'too few erase blocks are free to write anything; ' +
          `to make the flash larger, mount with size=${grown}`,
      );
    }
    const readOnly = wantReadOnly || doubts.length > 0;
    if (!readOnly) remount(sb, flags, words);
    for (const doubt of doubts) report.push(`read-only: ${doubt}`);
    if (c.damage.total > 0) report.push(`damage: ${c.damage.summary()}`);
    // Whoever ends the mount, the session that serves FUSE or unmount(), ends with the image
    // closed.
    const checkAloud = (): string[] => (options.check ? fsckLines(sb) : []);
    const fs = new l2p(
      sb,
      () => chip.close(),
      () => {
        for (const line of checkAloud()) lump.pr_notice(`jffs2: ${line}`);
      },
    );
    const { rootOwner } = options;
    if (rootOwner !== undefined && rootOwner.uid !== 0 && !readOnly && isEmpty(c)) {
      report.push(giveRoot(fs, rootOwner));
    }
    report.push(...checkAloud());
    return {
      fs,
      lump,
      sb,
      mtd,
      c,
      detection,
      readOnly,
      report,
      check: () => jffs2_fsck(sb),
      unmount(force = false): void {
        const error = fs.fs_unmount(force ? MNT_FORCE : 0);
        if (error === 0) return;
        const code = netbsd_to_linux_code(error);
        const what = code === 'EBUSY' ? 'is in use' : 'could not be unmounted';
        throw new MountError(code, `${options.image} ${what} (${code})`);
      },
    };
  } catch (error) {
    chip.close();
    throw error;
  }
}

function fsckLines(sb: super_block): string[] {
  let result: fsck_result;
  try {
    result = jffs2_fsck(sb);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    return [`check: it cannot be read: ${error.message}`];
  }
  const { problems, exitStatus } = result;
  if (exitStatus === 0) return ['check: memory holds what the medium says'];
  return [
    `check: ${problems.length} ${problems.length === 1 ? 'error' : 'errors'}`,
    ...problems.map(({ kind, ino, text }) => {
      return `check: ${kind}${ino === 0 ? '' : `, inode ${ino}`}: ${text}`;
    }),
  ];
}

/** No inode was ever made on it. */
const isEmpty = (c: jffs2_sb_info): boolean =>
  c.inocache.size === 1 && c.inocache.get(JFFS2_ROOT_INO)?.nodes === 0;

/**
 * Of a blank flash an ordinary user makes a file system for himself, as with other mkfs programs;
 * as root's he could not write to it. @returns what was done, for the report.
 */
function giveRoot(fs: l2p, { uid, gid }: { uid: number; gid: number }): string {
  const owner = { ...vattr_new(), va_uid: uid, va_gid: gid };
  const error = fs.node_setattr(fs.rootCookie, owner, PUFFS_CRED_KERNEL);
  return error === 0
    ? `its root directory belongs to user ${uid}`
    : `its root directory belongs to root: ${uid}:${gid} cannot be stored`;
}

/** What can be told from the options alone. @throws MountError EINVAL */
function checkOptions({ erasesize, part, mtdparts }: MountJffs2Options): void {
  if (erasesize !== undefined && (erasesize < ERASESIZE_MIN || erasesize % 4 !== 0)) {
    throw new MountError(
      'EINVAL',
      `erasesize=${erasesize}: an erase block has at least ${ERASESIZE_MIN} bytes, a multiple of 4`,
    );
  }
  if (part !== undefined && mtdparts === undefined) {
    throw new MountError('EINVAL', `part=${part}: mtdparts= must say which partitions there are`);
  }
}

/** Divides the chip and picks the part that was asked for. */
function choosePartition(
  host: Rumpuser,
  master: mtd_info,
  options: MountJffs2Options,
): mtd_partition {
  let text = options.mtdparts!;
  // A person leaves out what is the same for everybody: the word and the chip's id.
  if (!text.startsWith('mtdparts=')) {
    text = /^[^(:]*:/.test(text) ? `mtdparts=${text}` : `mtdparts=${CHIP_NAME}:${text}`;
  }
  const id = text.slice('mtdparts='.length, text.indexOf(':'));
  if (id !== CHIP_NAME) {
    text = `mtdparts=${CHIP_NAME}:${text.slice(text.indexOf(':') + 1)}`;
  }
  const parts = mtd_make_partitions(host, master, text);
  const names = parts.map((part, n) => `${n} "${part.name}"`).join(', ');
  const { part } = options;
  const chosen =
    part === undefined
      ? parts.length === 1
        ? parts[0]
        : undefined
      : (parts.find((candidate) => candidate.name === part) ??
        (/^\d+$/.test(part) ? parts[Number(part)] : undefined));
  if (!chosen) {
    throw new MountError(
      'EINVAL',
      part === undefined
        ? `part= must say which partition to mount: ${names}`
        : `there is no partition "${part}"; there are: ${names}`,
    );
  }
  return chosen;
}

function jffs2Options(options: MountJffs2Options, detection: Jffs2Detection | null): string {
  const words: string[] = [`endian=${options.endian ?? detection?.endian.name ?? 'little'}`];
  if (options.compr !== undefined) words.push(`compr=${options.compr}`);
  if (options.rp_size !== undefined) words.push(`rp_size=${options.rp_size}`);
  if (options.summary === false) words.push('nosummary');
  return words.join(',');
}

/** For the thread that serves FUSE: see FileSystemModule in src/fuse/module.ts. */
export function open(
  options: unknown,
  hooks: { console(level: number, line: string): void },
): {
  fs: puffs_ops;
  report: readonly string[];
  readOnly: boolean;
  timeGranularityNs: number;
  tellsWritersApart: boolean;
  mayHaveLabels(): boolean;
} {
  const host = new NodeHost({ console: (level, line) => hooks.console(level, line) });
  const { trace, ...own } = options as MountJffs2Options & { trace?: string };
  if (trace !== undefined) createTrace(host, trace);
  const mounted = mountJffs2(own, host);
  const { report, readOnly, c } = mounted;
  const fs =
    trace === undefined ? mounted.fs : traceMount(host, trace, mounted.fs, own.sync === true);
  const tellsWritersApart = (own.rp_size ?? 0) > 0;
  const mayHaveLabels = (): boolean => c.xattrindex.size > 0;
  return {
    fs,
    report,
    readOnly,
    timeGranularityNs: 1_000_000_000,
    tellsWritersApart,
    mayHaveLabels,
  };
}
