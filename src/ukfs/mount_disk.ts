/**
 * Puts a mount of a NetBSD file system on a disk image together: host, kernel, disk, partition,
 * file system, translator. What is not told is found out, and said. A doubt makes the mount
 * read-only.
 */
import { Lump } from '../lump/lump.js';
import { find_partitions, parse_device } from '../netbsd-compat/disk/partition.js';
import { disk_slice, type disk } from '../netbsd-compat/disk/disk.js';
import { disk_open, type disk_backend } from '../netbsd-compat/disk/open.js';
import { NetbsdErrno } from '../netbsd-compat/errno.js';
import type { modinfo } from '../netbsd-compat/module.js';
import { MNT_RDONLY, type mount } from '../netbsd-compat/mount.js';
import { p2k } from '../netbsd-compat/p2k.js';
import { rump } from '../netbsd-compat/rump.js';
import { netbsdErrnoName } from '../puffs/errno.js';
import { MNT_FORCE } from '../puffs/puffs.js';
import { NodeHost } from '../rumpuser/node.js';
import type { Rumpuser } from '../rumpuser/rumpuser.js';

/** A kind of file system that lies on disks. */
export interface DiskFileSystem {
  /** As vfs_attach knows it. */
  readonly name: string;
  readonly module: modinfo;
  /** What it needs, loaded before it. */
  readonly requires?: readonly modinfo[];
  /** What its mount takes; `options` are the words after -o. */
  args(disk: disk, options: MountDiskOptions): unknown;
  /** Is there one? Looks at the first bytes only. */
  probe(disk: disk): boolean;
  /** It can be written to. */
  readonly writes: boolean;
  readonly timeGranularityNs: number | ((mp: mount) => number);
}

export interface MountDiskOptions {
  /** The image, with NetBSD's suffix (`%DISKLABEL:a%`, `%OFFSET:start,size%`) if need be. */
  readonly image: string;
  readonly readOnly?: boolean;
  /** Of the partition table: "1" …, or a disklabel's letter. */
  readonly part?: string;
  readonly backend?: disk_backend;
  /** FAT: owner, group, permission bits, seconds that local time is ahead of UTC. */
  readonly uid?: number;
  readonly gid?: number;
  readonly mask?: number;
  readonly dirmask?: number;
  readonly gmtoff?: number;
  /** ISO 9660: do without Rock Ridge, or Joliet. */
  readonly norrip?: boolean;
  readonly nojoliet?: boolean;
  /** Whoever mounts it: where nothing else is told, what has no owners belongs to him. */
  readonly rootOwner?: { readonly uid: number; readonly gid: number };
  /** Write although something speaks against it; what, depends on the file system. */
  readonly force?: boolean;
  /** Seed of the scheduler. */
  readonly seed?: number;
}

export interface MountedDisk {
  readonly fs: p2k;
  readonly readOnly: boolean;
  /** What was found, a sentence a line. */
  readonly report: readonly string[];
  /** @throws DiskMountError EBUSY, EIO. */
  unmount(force?: boolean): void;
}

/** An error for a person: what is wrong, where, and what to do. */
export class DiskMountError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

const HOST_REFUSALS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied; it must be readable, and writable unless mounted with ro',
  EROFS: 'its file system is read-only; mount with ro',
};

/** @throws DiskMountError; nothing is open or locked then. */
export function mountDisk(
  kind: DiskFileSystem,
  options: MountDiskOptions,
  host: Rumpuser = new NodeHost(),
): MountedDisk {
  try {
    return mountImage(kind, options, host);
  } catch (error) {
    if (!(error instanceof NetbsdErrno)) throw error;
    const { image } = options;
    const { path } = parse_device(image);
    // As the host words what it refuses.
    const refusal = error.message.endsWith(`'${path}'`) ? HOST_REFUSALS[error.code] : undefined;
    const text = refusal ?? error.detail;
    throw new DiskMountError(error.code, text.includes(image) ? text : `${image}: ${text}`);
  }
}

function mountImage(kind: DiskFileSystem, options: MountDiskOptions, host: Rumpuser): MountedDisk {
  const report: string[] = [];
  const { path } = parse_device(options.image);
  const wantReadOnly = (options.readOnly ?? false) || !kind.writes;
  if (!kind.writes && !(options.readOnly ?? false)) report.push(`read-only: ${kind.name} is`);
  const kernel = new rump(new Lump({ host, ...(options.seed && { seed: options.seed }) }));
  kernel.modules.load({ modules: [...(kind.requires ?? []), kind.module] });
  const whole = disk_open(kernel.lump, path, wantReadOnly, options.backend);
  try {
    const disk = choose(whole, kind, options, report);
    const args = kind.args(disk, options);
    const { mp, readOnly } = mountOrReadOnly(kernel, kind, wantReadOnly, args, report);
    const fs = new p2k(mp, () => whole.close());
    return {
      fs,
      readOnly,
      report,
      unmount(force = false): void {
        const error = fs.fs_unmount(force ? MNT_FORCE : 0);
        if (error === 0) return;
        const code = netbsdErrnoName(error)!;
        const what = code === 'EBUSY' ? 'is in use' : 'could not be unmounted';
        throw new DiskMountError(code, `${options.image} ${what} (${code})`);
      },
    };
  } catch (error) {
    whole.close();
    throw error;
  }
}

/** What the file system refuses to write it may read. */
function mountOrReadOnly(
  kernel: rump,
  kind: DiskFileSystem,
  wantReadOnly: boolean,
  args: unknown,
  report: string[],
): { mp: mount; readOnly: boolean } {
  const { mountlist } = kernel;
  if (!wantReadOnly) {
    try {
      return { mp: mountlist.mount_domount(kind.name, 0, args), readOnly: false };
    } catch (error) {
      if (!(error instanceof NetbsdErrno) || error.code !== 'EROFS') throw error;
      report.push(`read-only: ${error.detail}`);
    }
  }
  return { mp: mountlist.mount_domount(kind.name, MNT_RDONLY, args), readOnly: true };
}

/** The part of the image that is meant: as told, else the whole, else the partition that fits. */
function choose(
  whole: disk,
  kind: DiskFileSystem,
  { image, part }: MountDiskOptions,
  report: string[],
): disk {
  const { suffix } = parse_device(image);
  if (suffix.kind === 'offset') {
    const size = suffix.size ?? whole.sizeBytes - suffix.start;
    if (suffix.start + size > whole.sizeBytes || size <= 0) {
      throw new NetbsdErrno('EINVAL', `${image}: the file has ${whole.sizeBytes} bytes only`);
    }
    return new disk_slice(whole, suffix.start, size, whole.name);
  }
  const name = suffix.kind === 'disklabel' ? suffix.letter : part;
  if (name === undefined && kind.probe(whole)) return whole;
  const found = find_partitions(whole).filter(
    ({ scheme }) => suffix.kind !== 'disklabel' || scheme === 'disklabel',
  );
  const slices = found.map((partition) => ({
    ...partition,
    disk: new disk_slice(
      whole,
      partition.start,
      partition.size,
      `${whole.name}, ${partition.name}`,
    ),
  }));
  const list = found
    .map(({ scheme, name: n, type }) => `${n} (${scheme}, type ${type})`)
    .join('; ');
  if (name !== undefined) {
    const slice = slices.find((each) => each.name === name);
    if (slice !== undefined) return slice.disk;
    const there = list === '' ? 'there is no partition table' : `there are: ${list}`;
    throw new NetbsdErrno('ENOENT', `${image}: there is no partition "${name}"; ${there}`);
  }
  const fitting = slices.filter(({ disk }) => kind.probe(disk));
  if (fitting.length > 1) {
    const which = fitting.map((each) => each.name).join(', ');
    throw new NetbsdErrno(
      'EINVAL',
      `${image}: several partitions have one: give part= of ${which}`,
    );
  }
  const [slice] = fitting;
  if (slice === undefined) {
    const looked = list === '' ? '' : `, nor has any of its partitions: ${list}`;
    throw new NetbsdErrno('EINVAL', `${image} has no ${kind.name} file system${looked}`);
  }
  report.push(
    `partition ${slice.name} of its ${slice.scheme}: bytes ${slice.start} to ` +
      `${slice.start + slice.size}`,
  );
  return slice.disk;
}

/** For the thread that serves FUSE: see FileSystemModule in src/fuse/module.ts. */
export function openDisk(
  kind: DiskFileSystem,
  options: unknown,
  hooks: { console(level: number, line: string): void },
): { fs: p2k; report: readonly string[]; readOnly: boolean; timeGranularityNs: number } {
  const host = new NodeHost({ console: (level, line) => hooks.console(level, line) });
  const { fs, report, readOnly } = mountDisk(kind, options as MountDiskOptions, host);
  const { timeGranularityNs: unit } = kind;
  const timeGranularityNs = typeof unit === 'number' ? unit : unit(fs.mp);
  return { fs, report, readOnly, timeGranularityNs };
}
