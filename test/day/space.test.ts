/** A flash that fills up: who is told, what is kept, and how one goes on. */
import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  statfsSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { expect } from 'chai';
import { noise } from '../images/material.js';
import { Flash, obstacle, TIME_LIMIT_MS } from './rig.js';

const CACHES = ['writeback_cache', 'no_writeback_cache'] as const;
const OBSTACLE = obstacle('dd', 'tar', 'cp', 'python3');

for (const cache of CACHES) {
  describe(`a flash that fills up: ${cache}`, function () {
    if (OBSTACLE !== undefined) {
      it(`(skipped: ${OBSTACLE})`);
      return;
    }
    this.timeout(TIME_LIMIT_MS);
    let flash: Flash;
    beforeEach(() => {
      flash = new Flash({ mebibytes: 4, options: [cache] });
      flash.mount();
    });
    afterEach(() => {
      flash.remove();
    });

    const bytesFree = (): number => {
      const { bavail, bsize } = statfsSync(flash.mountpoint);
      return bavail * bsize;
    };

    /** Writes and syncs files until one does not fit. @returns how many were kept, by their word. */
    function fill(bytes: (i: number) => number): number {
      for (let i = 0; ; i++) {
        try {
          const fd = openSync(flash.at(`file ${i}`), 'wx');
          try {
            const content = noise(bytes(i), i);
            for (let done = 0; done < content.length; ) done += writeSync(fd, content, done);
            fsyncSync(fd);
          } finally {
            closeSync(fd);
          }
        } catch (error) {
          expect((error as NodeJS.ErrnoException).code).to.equal('ENOSPC');
          return i;
        }
      }
    }

    function expectKept(count: number, bytes: (i: number) => number): void {
      for (let i = 0; i < count; i++) {
        const content = readFileSync(flash.at(`file ${i}`));
        expect(content.equals(noise(bytes(i), i)), `file ${i} of ${count}`).to.equal(true);
      }
    }

    // Sizes that leave the end of the flash in the middle of a request.
    for (const [what, bytes] of [
      ['small files', (i: number) => 900 + 37 * (i % 50)],
      ['files of two requests', (i: number) => (i % 2 === 0 ? 37_000 : 100_000)],
      ['files of a third of it', () => 1_300_000],
    ] as const) {
      it(`${what}: what fsync(2) promised is there after a remount`, () => {
        const kept = fill(bytes);
        expect(kept).to.be.greaterThan(0);
        flash.remount();
        expectKept(kept, bytes);
      });
    }

    it('is mounted read-write when full, and can be emptied and filled, again and again', () => {
      const before = bytesFree();
      const kept: number[] = [];
      for (let round = 0; round < 4; round++) {
        kept.push(fill(() => 50_000));
        flash.remount();
        expectKept(kept[round]!, () => 50_000);
        for (const name of readdirSync(flash.mountpoint)) unlinkSync(flash.at(name));
        // A deletion is a node, too.
        expect(bytesFree()).to.be.greaterThan(before * 0.9);
      }
      expect(Math.min(...kept)).to.be.greaterThan(kept[0]! * 0.9);
    });

    it('tells cp, dd and tar, keeps what was complete, and goes on when something is deleted', () => {
      const folder = flash.beside('data');
      flash.sh(
        folder,
        'head -c 2500000 /dev/urandom >large; mkdir many; cd many; split -b 20000 ../large',
      );
      const { mountpoint } = flash;
      flash.sh(mountpoint, 'cp "$1/large" first', folder);
      for (const script of [
        'cp "$1/large" second',
        'dd if="$1/large" of=third bs=64k conv=fsync',
        'tar -C "$1" -cf - many | tar -xf -',
      ]) {
        const { status, stderr } = flash.try(mountpoint, script, folder);
        expect(status, script).to.not.equal(0);
        expect(stderr).to.contain('No space left on device');
      }
      flash.sh(mountpoint, 'cmp first "$1/large" && rm -rf second third many', folder);
      flash.sh(
        mountpoint,
        'mkdir fits && head -c 500000 "$1/large" >fits/x && sync fits/x',
        folder,
      );
      flash.remount();
      flash.sh(mountpoint, 'cmp first "$1/large" && cmp -n 500000 fits/x "$1/large"', folder);
    });

    it('gets the space of an open file back when it is closed', () => {
      flash.python(
        flash.mountpoint,
        `
import time
def free(): return os.statvfs('.').f_bavail
before = free()
fd = os.open('file', os.O_CREAT | os.O_RDWR)
os.write(fd, os.urandom(1500000)); os.fsync(fd); os.unlink('file')
assert before - free() > 300, (before, free())
os.ftruncate(fd, 0)
os.write(fd, os.urandom(1500000)); os.fsync(fd)
os.close(fd)
# The kernel gives the inode back soon after.
while before - free() > 30: time.sleep(0.01)`,
      );
    });

    it('keeps what was asked for with rp_size for root', () => {
      flash.umount();
      flash.mount('rp_size=1024');
      const nobody = flash.directory('nobody');
      flash.sh(
        nobody,
        `chown 65534 . && ! setpriv --reuid 65534 --regid 65534 --clear-groups \
           dd if=/dev/urandom of=file bs=64k conv=fsync 2>/dev/null
         head -c 500000 /dev/urandom >root && sync root`,
      );
    });
  });
}
