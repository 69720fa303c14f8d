import { expect } from 'chai';
import { parseListing } from './listing.js';
import type { KernelJob, KernelJobResult } from './qemu.js';
import { JudgeError, runBatch, runInKernel } from './qemu.js';
import { BATCH_TIMEOUT_MS, needsJudge } from './suite.js';

const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => byte);

describe('the kernel judge', function () {
  this.timeout(BATCH_TIMEOUT_MS);
  before(function () {
    needsJudge(this);
  });

  describe('of a batch', () => {
    const jobs: KernelJob[] = [
      {
        name: 'copies',
        files: { bytes: EVERY_BYTE },
        script: 'cp "$IN/bytes" "$OUT/copy"; echo out; echo err >&2; echo kernel > /dev/kmsg',
      },
      { name: 'fails', script: 'nor_new 512 16; flash_mount && exit 7' },
      { name: 'hangs', timeoutMs: 2000, script: 'nor_new 512 16; flash_mount; sleep 1000' },
      {
        name: 'lists',
        script: [
          'nor_new 512 16; flash_mount; cd /mnt',
          'printf abc > "$(printf \'a\\nb\')"; ln a* z; mkdir -m 1750 d; ln -s "$(printf \'\\377\')" l',
          'mknod c c 259 70000; chown 5:6 c; touch -h -d @1000000000 d l c',
          'setfattr -n user.k=v -v x z; list_tree /mnt t',
        ].join('\n'),
      },
      { name: 'is alone', script: 'cat /proc/mtd; ls /mnt' },
    ];
    let results: Map<string, KernelJobResult>;
    before(async () => {
      results = await runBatch(jobs);
    });
    const result = (name: string): KernelJobResult => results.get(name) as KernelJobResult;

    it('brings back bytes, output and kernel messages', () => {
      const { status, log, dmesg, outputs } = result('copies');
      expect({ status, log }).to.deep.equal({ status: 0, log: 'out\nerr\n' });
      expect(dmesg).to.match(/\] kernel\n$/);
      expect([...outputs]).to.deep.equal([['copy', Buffer.from(EVERY_BYTE)]]);
    });

    it("tells a script's status", () => {
      expect(result('fails').status).to.equal(7);
    });

    it('kills a script that takes too long, and goes on', () => {
      expect(result('hangs').status).to.equal(137);
    });

    it('starts every job without flash', () => {
      const { status, log } = result('is alone');
      expect({ status, log }).to.deep.equal({ status: 0, log: 'dev:    size   erasesize  name\n' });
    });

    it('lists names, owners, times, devices, links and attributes', () => {
      const tree = parseListing('t', result('lists').outputs);
      const facts = tree.map(({ atime: _a, ctime: _c, ...entry }) => entry).slice(1);
      const file = {
        type: 'file',
        mode: 0o644,
        uid: 0,
        gid: 0,
        size: 3,
        nlink: 2,
        sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
        xattrs: { 'user.k=v': '78' },
        mtime: tree[1]?.mtime,
      };
      const mtime = 1_000_000_000;
      expect(facts).to.deep.equal([
        { path: 'a\nb', ...file },
        {
          path: 'c',
          type: 'char',
          mode: 0o644,
          uid: 5,
          gid: 6,
          size: 0,
          mtime,
          nlink: 1,
          rdev: { major: 259, minor: 70_000 },
        },
        { path: 'd', type: 'dir', mode: 0o1750, uid: 0, gid: 0, size: 0, mtime, nlink: 2 },
        {
          path: 'l',
          type: 'symlink',
          mode: 0o777,
          uid: 0,
          gid: 0,
          size: 1,
          mtime,
          nlink: 1,
          target: '\xff',
        },
        { path: 'z', ...file, sameAs: 'a\nb' },
      ]);
    });
  });

  it('refuses a script that fails where one result is wanted', async () => {
    const error = await rejection(runInKernel({ name: 'one', script: 'echo why; exit 3' }));
    expect(error).to.be.instanceOf(JudgeError);
    expect(error.message).to.match(/^job one ended with 3\n[\s\S]*\nwhy$/);
  });

  it('names the job that took the kernel down, and shows its last words', async () => {
    const jobs = [
      { name: 'good', script: 'true' },
      { name: 'bad', script: 'echo c > /proc/sysrq-trigger' },
    ];
    const error = await rejection(runBatch(jobs));
    expect(error).to.be.instanceOf(JudgeError);
    expect(error.message).to.match(/^the kernel did not survive job bad\n[\s\S]*Kernel panic/);
  });
});

async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('no error came');
}
