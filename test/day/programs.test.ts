/**
 * A day's programs on the mount, each in its own directory of one flash: as root and as somebody
 * else, with and without the kernel's write-back cache, in both byte orders. Then the flash is
 * mounted again, and once more as a library, and everything must be as it was.
 */
import { chmodSync, readFileSync } from 'node:fs';
import { hostTree } from '../images/host_tree.js';
import { assertSameTree, type Tree } from '../images/tree.js';
import { ukfsTree } from '../images/ukfs_tree.js';
import { mountJffs2 } from '../../src/ukfs/mount_jffs2.js';
import { Ukfs } from '../../src/ukfs/ukfs.js';
import { DAY_PROGRAMS } from './programs.js';
import { Flash, NOBODY, obstacle, TIME_LIMIT_MS, type FlashOptions } from './rig.js';

const ROWS: readonly (FlashOptions & { readonly name: string })[] = [
  { name: 'root', mebibytes: 64 },
  {
    name: 'nobody, each write(2) handed down, big endian',
    mebibytes: 64,
    eraseSizeKiB: 128,
    uid: NOBODY,
    options: ['no_writeback_cache', 'endian=big'],
  },
];

const HOST_ERROR = obstacle();

for (const row of ROWS) {
  describe(`a day on the mount: ${row.name}`, function () {
    if (HOST_ERROR !== undefined) {
      it(`(skipped: ${HOST_ERROR})`);
      return;
    }
    this.timeout(TIME_LIMIT_MS);
    let flash: Flash;
    const worked: (typeof DAY_PROGRAMS)[number][] = [];

    before(() => {
      flash = new Flash(row);
      flash.mount('dev');
      // As in Linux, the root directory has no times until something about it was set.
      chmodSync(flash.mountpoint, 0o755);
    });
    after(() => {
      flash.remove();
    });

    const directoryOf = (program: (typeof DAY_PROGRAMS)[number]): string =>
      `directory of ${program.name.split(' ')[0]}`;

    for (const program of DAY_PROGRAMS) {
      const reason = obstacle(...program.needs, ...(row.uid === undefined ? [] : ['setpriv']));
      if (reason !== undefined) {
        it(`${program.name} (skipped: ${reason})`);
        continue;
      }
      it(program.name, () => {
        const directory = flash.directory(directoryOf(program));
        program.work(flash, directory);
        program.check(flash, directory);
        worked.push(program);
      });
    }

    it('after a remount everything is there', () => {
      const before = hostTree(flash.mountpoint, { xattrs: true });
      flash.remount('dev');
      assertSameTree('remounted', before, hostTree(flash.mountpoint, { xattrs: true }));
      for (const program of worked) program.check(flash, flash.at(directoryOf(program)));
    });

    it('the library finds the same on it', () => {
      const mounted = hostTree(flash.mountpoint, { xattrs: true });
      flash.umount();
      const bytes = readFileSync(flash.image);
      assertSameTree('the library', mounted, libraryTree(flash));
      if (!readFileSync(flash.image).equals(bytes)) throw new Error('reading changed the image');
    });
  });
}

function libraryTree(flash: Flash): Tree {
  flash.waitForServer();
  const mounted = mountJffs2({ image: flash.image, readOnly: true });
  try {
    return ukfsTree(new Ukfs(mounted.fs));
  } finally {
    mounted.unmount();
  }
}
