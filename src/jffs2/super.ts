/**
 * Mounting: options, the checks of the chip, the life of a mounted file system. Facts: reference
 * jffs2.md §3.2, §5.1, §5.9.
 */
import { d_make_root } from '../dcache/dcache.js';
import { Errno } from '../lump/errno.js';
import {
  type file_system_type,
  SB_NOATIME,
  SB_POSIXACL,
  SB_RDONLY,
  sb_rdonly,
  super_block,
  MKDEV,
  PAGE_SIZE,
  S_ISDIR,
  type super_operations,
} from '../lump/fs.js';
import { mutex, rw_semaphore } from '../lump/locks.js';
import type { Lump } from '../lump/lump.js';
import { LUMP_ABI_VERSION } from '../lump/module.js';
import { wait_queue_head } from '../lump/sched.js';
import type { mtd_info } from '../mtd/mtd.js';
import { MTD_WRITEABLE } from '../mtd/mtd.js';
import {
  jffs2_start_garbage_collect_thread,
  jffs2_stop_garbage_collect_thread,
} from './background.js';
import { jffs2_do_mount_fs } from './build.js';
import { jffs2_compressors } from './compr.js';
import { Damage } from './damage.js';
import {
  jffs2_evict_inode,
  jffs2_iget,
  JFFS2_SB_INFO,
  jffs2_statfs,
  JFFS2_TIME_MAX,
} from './fs.js';
import { jffs2_flash_setup } from './geometry.js';
import {
  BIG_ENDIAN,
  JFFS2_ROOT_INO,
  JFFS2_SUPER_MAGIC,
  LITTLE_ENDIAN,
  type Endian,
} from './medium.js';
import { jffs2_sb_info, JFFS2_SB_FLAG_RO, type jffs2_mount_opts } from './nodelist.js';
import { jffs2_restore_snapshot, type jffs2_snapshot } from './snapshot.js';
import { jffs2_summary } from './summary_node.js';
import { jffs2_stop_wbuf, jffs2_sync_wbuf, jffs2_wbuf } from './wbuf.js';
import { jffs2_xattr_handlers } from './xattr_handlers.js';

/** Major number of block devices on MTD; st_dev of a mount is 31:index. */
const MTD_BLOCK_MAJOR = 31;

interface parsed_options extends jffs2_mount_opts {
  endian: Endian;
}

/**
 * Parses a comma-separated option string. Linux's options are `compr=` (checked by
 * {@link jffs2_compressors.setMountOption}) and `rp_size=KiB`; ours are `endian=little|big` (Linux
 * has the machine's) and `summary`, `nosummary` (in Linux a choice when the kernel is built).
 * @throws EINVAL with the option in the message.
 */
export function jffs2_parse_options(text: string, flashSize: number): parsed_options {
  const opts: parsed_options = { compr: null, rp_size: 0, summary: true, endian: LITTLE_ENDIAN };
  for (const option of text.split(',')) {
    if (option === '') continue;
    const at = option.indexOf('=');
    const key = at < 0 ? option : option.slice(0, at);
    const value = at < 0 ? '' : option.slice(at + 1);
    switch (key) {
      case 'compr':
        opts.compr = value;
        break;
      case 'rp_size': {
        const kib = /^\d+$/.test(value) ? Number(value) : Number.NaN;
        if (!Number.isSafeInteger(kib)) {
          throw new Errno('EINVAL', `rp_size=${value}: must be a number of KiB`);
        }
        if (kib * 1024 > flashSize) {
          throw new Errno('EINVAL', `rp_size=${value}: larger than the flash (${flashSize} bytes)`);
        }
        opts.rp_size = kib * 1024;
        break;
      }
      case 'endian':
        if (value !== 'little' && value !== 'big') {
          throw new Errno('EINVAL', `endian=${value}: must be little or big`);
        }
        opts.endian = value === 'big' ? BIG_ENDIAN : LITTLE_ENDIAN;
        break;
      case 'summary':
      case 'nosummary':
        if (at >= 0) throw new Errno('EINVAL', `${option}: takes no value`);
        opts.summary = key === 'summary';
        break;
      default:
        throw new Errno('EINVAL', `unknown jffs2 mount option "${option}"`);
    }
  }
  return opts;
}

const jffs2_super_operations: super_operations = {
  evict_inode: jffs2_evict_inode,
  statfs: jffs2_statfs,
  sync_fs(sb): void {
    if (sb_rdonly(sb)) return;
    const c = JFFS2_SB_INFO(sb);
    jffs2_sync_wbuf(c);
    c.mtd.sync();
  },
  put_super(sb): void {
    const c = JFFS2_SB_INFO(sb);
    jffs2_stop_garbage_collect_thread(c);
    jffs2_stop_wbuf(c);
    sb.s_fs_info = null;
  },
  remount_fs: jffs2_remount_fs,
  show_options(sb): string {
    const { compr, rp_size, summary } = JFFS2_SB_INFO(sb).mount_opts;
    return (
      (compr ? `,compr=${compr}` : '') +
      (rp_size > 0 ? `,rp_size=${rp_size / 1024}` : '') +
      (summary ? '' : ',nosummary')
    );
  },
};

/** What a remount says replaces the options; the byte order is the medium's and stays. */
function jffs2_remount_fs(sb: super_block, flags: number, options: string): void {
  const c = JFFS2_SB_INFO(sb);
  const opts = jffs2_parse_options(options, c.flash_size);
  const readOnly = (flags & SB_RDONLY) !== 0;
  if (!readOnly && sb_rdonly(sb)) checkWriteable(c);
  if (!c.compressors.setMountOption(opts.compr ?? undefined)) {
    throw new Errno('EINVAL', comprMessage(c, opts));
  }
  if (!sb_rdonly(sb)) jffs2_stop_garbage_collect_thread(c);
  c.mount_opts = { compr: opts.compr, rp_size: opts.rp_size, summary: opts.summary };
  if (!opts.summary) c.summary.disable();
  if (readOnly) {
    jffs2_sync_wbuf(c);
    c.flags |= JFFS2_SB_FLAG_RO;
  } else {
    c.flags &= ~JFFS2_SB_FLAG_RO;
    jffs2_start_garbage_collect_thread(c);
  }
}

/** What to say to a `compr=` that is neither a mode nor a codec. */
function comprMessage(c: jffs2_sb_info, opts: jffs2_mount_opts): string {
  const codecs = c.compressors.list().map((state) => state.codec.name);
  const known = `none, priority, size, favourlzo, or one of ${codecs.join(', ')}`;
  return `compr=${opts.compr}: must be ${known}`;
}

/** @throws EROFS */
function checkWriteable(c: jffs2_sb_info): void {
  if (c.ro_only) {
    throw new Errno('EROFS', 'a node on this medium may only be met by readers');
  }
  if ((c.mtd.flags & MTD_WRITEABLE) === 0) throw new Errno('EROFS', 'the chip is not writeable');
}

/**
 * Linux's jffs2_fill_super: mounts jffs2 on an mtd_info.
 * @param build finds out what is on the medium
 */
function jffs2_mount(
  lump: Lump,
  device: unknown,
  flags: number,
  options: string,
  build: (c: jffs2_sb_info) => void,
): super_block {
  const mtd = device as mtd_info;
  const geometry = jffs2_flash_setup(mtd);
  const opts = jffs2_parse_options(options, mtd.size);
  const c = new jffs2_sb_info(
    lump,
    mtd,
    geometry,
    opts.endian,
    new Damage(lump),
    { compr: opts.compr, rp_size: opts.rp_size, summary: opts.summary },
    {
      alloc_sem: new mutex(lump, 'jffs2 alloc_sem'),
      xattr_sem: new rw_semaphore(lump, 'jffs2 xattr_sem'),
      erase_wait: new wait_queue_head(lump, 'jffs2 erase_wait'),
      gc_wait: new wait_queue_head(lump, 'jffs2 gc_wait'),
    },
  );
  c.summary = new jffs2_summary(c);
  if (geometry.wbuf_pagesize > 0) c.wbuf = new jffs2_wbuf(c, geometry.wbuf_pagesize);
  if (!opts.summary) c.summary.disable();
  c.compressors = new jffs2_compressors({ zlib: lump.host.codecs });
  if (!c.compressors.setMountOption(opts.compr ?? undefined)) {
    throw new Errno('EINVAL', comprMessage(c, opts));
  }
  if ((flags & SB_RDONLY) !== 0) c.flags |= JFFS2_SB_FLAG_RO;
  else checkWriteable(c);

  const sb = new super_block(lump, jffs2_fs_type, flags | SB_NOATIME | SB_POSIXACL);
  sb.s_op = jffs2_super_operations;
  sb.s_fs_info = c;
  sb.s_magic = JFFS2_SUPER_MAGIC;
  sb.s_maxbytes = 0xffffffff;
  sb.s_blocksize = PAGE_SIZE;
  sb.s_time_gran = 1_000_000_000;
  sb.s_time_min = 0;
  sb.s_time_max = JFFS2_TIME_MAX;
  sb.s_xattr = jffs2_xattr_handlers;
  // A device that is in no table of devices is the only one there is.
  sb.s_dev = MKDEV(MTD_BLOCK_MAJOR, Math.max(0, mtd.index));
  c.sb = sb;

  build(c);
  const root = jffs2_iget(sb, JFFS2_ROOT_INO);
  if (!S_ISDIR(root.i_mode)) {
    throw new Errno('EIO', `the root directory is none: its mode is 0${root.i_mode.toString(8)}`);
  }
  sb.s_root = d_make_root(root);
  if ((flags & SB_RDONLY) === 0) jffs2_start_garbage_collect_thread(c);
  return sb;
}

export const jffs2_fs_type: file_system_type = {
  name: 'jffs2',
  abi_version: LUMP_ABI_VERSION,
  mount: (lump, device, flags, options) =>
    jffs2_mount(lump, device, flags, options, jffs2_do_mount_fs),
};

/** The same, but what is on the medium is known already and need not be read. */
export const jffs2_known_fs_type = (snapshot: jffs2_snapshot): file_system_type => ({
  ...jffs2_fs_type,
  mount: (lump, device, flags, options) =>
    jffs2_mount(lump, device, flags, options, (c) => jffs2_restore_snapshot(c, snapshot)),
});
