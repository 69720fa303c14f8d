/**
 * The conformance cases through system calls on FUSE mounts, with and without the write-back cache.
 * One mount a row, since it is a process; each case gets a directory of its own.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { io } from '../conformance/io.js';
import { races } from '../conformance/races.js';
import { runRow } from '../conformance/row.js';
import { hostRow, JFFS2_LIMITS, memfsRow, tmpfsRow } from '../conformance/rows.js';
import { tmpfs } from '../conformance/tmpfs.js';
import { unpriv } from '../conformance/unpriv.js';
import { vnops } from '../conformance/vnops.js';
import {
  jffs2Command,
  memfsCommand,
  mountInBackground,
  NO_MOUNTS,
  rumpCommand,
  umount,
  Workspace,
} from './server.js';

const CASES = [...vnops, ...io, ...tmpfs, ...unpriv, ...races];
const CACHES = ['writeback_cache', 'sync,entry_timeout=0,attr_timeout=0,negative_timeout=0'];
/** node:fs gives times as floating-point numbers. */
const MEMFS_LIMITS = { ...memfsRow.limits, timeSecMin: 0, timeSecMax: 2 ** 31 - 1 };
const FLASH_BYTES = 16 << 20;

for (const cache of CACHES) {
  describe(`conformance through FUSE: ${cache}`, function () {
    if (NO_MOUNTS !== undefined) {
      it(`(skipped: ${NO_MOUNTS})`);
      return;
    }
    this.timeout(120_000);
    const workspace = new Workspace();
    const memfs = workspace.directory('memfs');
    const jffs2 = workspace.directory('jffs2');
    const memory = workspace.directory('tmpfs');
    const flash = workspace.path('flash.bin');

    before(() => {
      writeFileSync(flash, new Uint8Array(FLASH_BYTES).fill(0xff));
      const options = `${cache},dev,suid`;
      mountInBackground(memfsCommand(memfs, '-o', options));
      mountInBackground(rumpCommand('tmpfs', 'tmpfs', memory, '-o', options));
      mountInBackground(jffs2Command(flash, jffs2, '-o', options));
    });
    after(() => {
      umount(memfs);
      umount(memory);
      umount(jffs2);
      workspace.remove();
    });

    const directoryIn = (mountpoint: string) => () => {
      const root = mkdtempSync(join(mountpoint, 'case-'));
      chmodSync(mountpoint, 0o755);
      chmodSync(root, 0o755);
      return { root, end: () => rmSync(root, { recursive: true, force: true }) };
    };
    runRow(hostRow('memfs', MEMFS_LIMITS, {}, directoryIn(memfs)), CASES);
    const tmpfsLimits = { ...tmpfsRow.limits, timeSecMin: 0, timeSecMax: 2 ** 31 - 1 };
    runRow(hostRow('tmpfs', tmpfsLimits, {}, directoryIn(memory)), CASES);
    // The kernel does not know how large a file may be: with its cache the error comes at close(2).
    const fileBytesMax =
      cache === 'writeback_cache' ? Number.MAX_SAFE_INTEGER : JFFS2_LIMITS.fileBytesMax;
    const limits = { ...JFFS2_LIMITS, rootLinks: 2, fileBytesMax };
    runRow(hostRow('jffs2', limits, {}, directoryIn(jffs2)), CASES);
  });
}
