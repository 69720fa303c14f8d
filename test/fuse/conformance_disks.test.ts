/**
 * The conformance cases through system calls on FUSE mounts of disk images: NetBSD's drivers. One
 * mount a row; each case gets a directory of its own, and what the last one left is checked.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { io } from '../conformance/io.js';
import { races } from '../conformance/races.js';
import { runRow, type Limits, type Row } from '../conformance/row.js';
import {
  ext2Row,
  ffsRow,
  hostRow,
  msdosRow,
  sysvbfsRow,
  type Checker,
} from '../conformance/rows.js';
import { tmpfs } from '../conformance/tmpfs.js';
import { unpriv } from '../conformance/unpriv.js';
import { vnops } from '../conformance/vnops.js';
import { checkBfs, mkfsBfs, NO_MKFS_BFS } from '../netbsd-compat/bfs.js';
import { fsckFat, mkfsFat, NO_DOSFSTOOLS } from '../netbsd-compat/dosfstools.js';
import { e2fsck, mke2fs, NO_E2FSPROGS } from '../netbsd-compat/e2fsprogs.js';
import { fsckFfs } from '../netbsd-compat/ffs_check.js';
import { blankFfs } from '../netbsd-compat/makefs_ffs.js';
import { mountInBackground, NO_MOUNTS, rumpCommand, umount, Workspace } from './server.js';

const CASES = [...vnops, ...io, ...tmpfs, ...unpriv, ...races];
const WRITE_BACK = 'writeback_cache';
const NO_CACHES = 'sync,entry_timeout=0,attr_timeout=0,negative_timeout=0';
/** `npm test` has the first row only. */
const HAS_ALL = process.env.LUMP_ROWS === 'all';

/** node:fs gives times as floating-point numbers. */
const SECONDS = { timeSecMin: 0, timeSecMax: 2 ** 31 - 1 };

interface DiskRow {
  readonly missing: string | undefined;
  /** rump_KIND. */
  readonly kind: string;
  readonly image: () => Uint8Array;
  readonly check: Checker;
  readonly row: Row;
  readonly cache: string;
  /** Differing from the row's: what the kernel sees to, or does not. */
  readonly limits?: Partial<Limits>;
  readonly without?: Readonly<Record<string, string>>;
}

const DISKS: readonly DiskRow[] = [
  {
    missing: NO_E2FSPROGS,
    kind: 'ext2fs',
    image: () => mke2fs('16M', '-t', 'ext2', '-b', '1024', '-N', '4096'),
    check: e2fsck,
    row: ext2Row,
    cache: WRITE_BACK,
    // The kernel does not know how large a file may be: the error comes at close(2).
    limits: { fileBytesMax: Number.MAX_SAFE_INTEGER },
  },
  {
    missing: undefined,
    kind: 'ffs',
    image: () => blankFfs(16 << 20, { density: 2048 }),
    check: fsckFfs,
    row: ffsRow,
    cache: NO_CACHES,
  },
  {
    missing: NO_DOSFSTOOLS,
    kind: 'msdos',
    image: () => mkfsFat(16 << 20),
    check: fsckFat,
    row: msdosRow,
    cache: NO_CACHES,
  },
  {
    missing: NO_MKFS_BFS,
    kind: 'sysvbfs',
    image: () => mkfsBfs(4 << 20, '-N', '512'),
    check: checkBfs,
    row: sysvbfsRow,
    cache: NO_CACHES,
  },
];

for (const [i, disk] of DISKS.entries()) {
  const { missing, kind, image, check, row, cache, limits, without } = disk;
  describe(`conformance through FUSE: ${kind}, ${cache}`, function () {
    const skipped = i > 0 && !HAS_ALL ? 'LUMP_ROWS=all has it' : undefined;
    const reason = NO_MOUNTS ?? missing ?? skipped;
    if (reason !== undefined) {
      it(`(skipped: ${reason})`);
      return;
    }
    this.timeout(120_000);
    const workspace = new Workspace();
    const mountpoint = workspace.directory(kind);
    const path = workspace.path('disk.img');
    before(() => {
      writeFileSync(path, image());
      mountInBackground(rumpCommand(kind, path, mountpoint, '-o', `${cache},dev,suid`));
    });
    after(() => {
      umount(mountpoint);
      // The server has it locked until all is written.
      execFileSync('flock', [path, 'true']);
      check(new Uint8Array(readFileSync(path)));
      workspace.remove();
    });
    const hasDirectories = kind !== 'sysvbfs';
    const through = hostRow(kind, { ...row.limits, ...SECONDS, ...limits }, row.lacks, () => {
      if (!hasDirectories) return { root: mountpoint, end: () => empty(mountpoint) };
      const root = mkdtempSync(join(mountpoint, 'case-'));
      chmodSync(root, 0o755);
      return { root, end: () => rmSync(root, { recursive: true, force: true }) };
    });
    runRow({ ...through, without: { ...row.without, ...without } }, CASES);
  });
}

function empty(directory: string): void {
  for (const name of readdirSync(directory)) rmSync(join(directory, name));
}
