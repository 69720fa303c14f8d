/**
 * The conformance cases through the transport fuse-native. What it cannot do is marked at the
 * cases.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { io } from '../conformance/io.js';
import { races } from '../conformance/races.js';
import { runRow } from '../conformance/row.js';
import { hostRow, JFFS2_LIMITS, memfsRow } from '../conformance/rows.js';
import { tmpfs } from '../conformance/tmpfs.js';
import { unpriv } from '../conformance/unpriv.js';
import { vnops } from '../conformance/vnops.js';
import {
  jffs2Command,
  memfsCommand,
  mountInBackground,
  NO_FUSE_NATIVE,
  umount,
  Workspace,
} from './server.js';

const CASES = [...vnops, ...io, ...tmpfs, ...unpriv, ...races];
const MILLISECOND_NS = 1e6;
const MEMFS_LIMITS = {
  ...memfsRow.limits,
  timeGranularityNsec: MILLISECOND_NS,
  timeSecMin: 0,
  timeSecMax: 2 ** 31 - 1,
};
const FLASH_BYTES = 16 << 20;
const OPTIONS = 'transport=fuse-native,dev,suid';

describe('conformance through fuse-native', function () {
  if (NO_FUSE_NATIVE !== undefined) {
    it(`(skipped: ${NO_FUSE_NATIVE})`);
    return;
  }
  this.timeout(120_000);
  const workspace = new Workspace();
  const memfs = workspace.directory('memfs');
  const jffs2 = workspace.directory('jffs2');
  const flash = workspace.path('flash.bin');

  before(() => {
    writeFileSync(flash, new Uint8Array(FLASH_BYTES).fill(0xff));
    mountInBackground(memfsCommand(memfs, '-o', OPTIONS));
    mountInBackground(jffs2Command(flash, jffs2, '-o', OPTIONS));
  });
  after(() => {
    umount(memfs);
    umount(jffs2);
    workspace.remove();
  });

  const directoryIn = (mountpoint: string) => () => {
    const root = mkdtempSync(join(mountpoint, 'case-'));
    chmodSync(mountpoint, 0o755);
    chmodSync(root, 0o755);
    return { root, end: () => rmSync(root, { recursive: true, force: true }) };
  };
  const way = 'fuse-native';
  runRow({ ...hostRow('memfs', MEMFS_LIMITS, {}, directoryIn(memfs)), way }, CASES);
  const limits = { ...JFFS2_LIMITS, rootLinks: 2 };
  runRow({ ...hostRow('jffs2', limits, {}, directoryIn(jffs2)), way }, CASES);
});
