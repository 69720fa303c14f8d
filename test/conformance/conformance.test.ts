import { cd9660, cd9660Rows, NO_GENISOIMAGE } from './cd9660.js';
import { io } from './io.js';
import { races } from './races.js';
import { readonly } from './readonly.js';
import { runRow } from './row.js';
import {
  ext2Row,
  ffsRow,
  hostOracle,
  jffs2Row,
  msdosRow,
  memfsRow,
  sysvbfsRow,
  tmpfsRow,
} from './rows.js';
import { NO_DOSFSTOOLS } from '../netbsd-compat/dosfstools.js';
import { NO_MKFS_BFS } from '../netbsd-compat/bfs.js';
import { NO_E2FSPROGS } from '../netbsd-compat/e2fsprogs.js';
import { tmpfs } from './tmpfs.js';
import { unpriv } from './unpriv.js';
import { vfsops } from './vfsops.js';
import { vnops } from './vnops.js';
import { xattr } from './xattr.js';

const CASES = [...vnops, ...io, ...tmpfs, ...readonly, ...unpriv, ...races, ...vfsops, ...xattr];

if (NO_E2FSPROGS === undefined) runRow(ext2Row, CASES);
else it(`conformance: ext2fs (skipped: ${NO_E2FSPROGS})`);
if (NO_DOSFSTOOLS === undefined) runRow(msdosRow, CASES);
else it(`conformance: msdos (skipped: ${NO_DOSFSTOOLS})`);
if (NO_MKFS_BFS === undefined) runRow(sysvbfsRow, CASES);
else it(`conformance: sysvbfs (skipped: ${NO_MKFS_BFS})`);
if (NO_GENISOIMAGE === undefined) for (const row of cd9660Rows()) runRow(row, cd9660);
else it(`conformance: cd9660 (skipped: ${NO_GENISOIMAGE})`);

for (const row of [hostOracle, memfsRow, jffs2Row, tmpfsRow, ffsRow]) runRow(row, CASES);
