/**
 * Dumps of NAND chips on a simulated host: what mountJffs2 finds out, refuses, and leaves behind.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { jffs2_detect_nand } from '../../src/jffs2/detect_nand.js';
import { nodeZlib } from '../../src/rumpuser/node_zlib.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { Ukfs } from '../../src/ukfs/index.js';
import { MountError, mountJffs2, type MountJffs2Options } from '../../src/ukfs/mount_jffs2.js';
import { projectRoot } from '../images/project.js';

const IMAGE = '/nand.bin';
const ALL = ['device', 'directory', 'noise', 'symlink', 'text'];

const kernel = readFileSync(join(projectRoot(), 'flash-images', 'kernel-nand.bin'));

function hostWith(bytes?: Uint8Array): SimulatedHost {
  const host = new SimulatedHost({ codecs: nodeZlib() });
  if (bytes !== undefined) host.replaceFile(IMAGE, bytes);
  return host;
}

/** The kernel's dump with other OOB, or (null) without. */
function dumpWith(change: ((oob: Uint8Array) => void) | null): Uint8Array {
  const pages: Uint8Array[] = [];
  for (let at = 0; at < kernel.length; at += 528) {
    const page = Uint8Array.from(kernel.subarray(at, at + 528));
    change?.(page.subarray(512));
    pages.push(change === null ? page.subarray(0, 512) : page);
  }
  return Buffer.concat(pages);
}

type Options = Omit<MountJffs2Options, 'image'>;

/** Mounts, lists, does something, unmounts. */
function session(host: SimulatedHost, options: Options, use?: (fs: Ukfs) => void): string[] {
  const mounted = mountJffs2({ image: IMAGE, ...options }, host);
  const fs = new Ukfs(mounted.fs);
  use?.(fs);
  const names = fs.readdir('/').toSorted();
  mounted.unmount();
  return [...names, ...mounted.report];
}

const refusal = (host: SimulatedHost, options: Options): string => {
  try {
    mountJffs2({ image: IMAGE, ...options }, host);
  } catch (error) {
    if (error instanceof MountError) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error('mounted');
};

describe('ukfs: mountJffs2 of NAND', () => {
  it("the kernel's dump needs no options, and is written as it was", () => {
    const host = hostWith(kernel);
    const first = session(host, {}, (fs) => fs.writeFile('more', 'x'));
    expect(first.slice(0, 6)).to.deep.equal([...ALL, 'more'].toSorted());
    expect(first.join('\n')).to.include('pages of 512+16 bytes with their OOB: the Hamming ECC of');
    expect(first.join('\n')).to.include('16 KiB: the distance of 8 cleanmarkers in OOB');
    expect(first.join('\n')).not.to.include('given');
    expect(host.readFile(IMAGE).length).to.equal(kernel.length);
    const again = session(host, { readOnly: true });
    expect(again.join('\n')).to.include('nand.bin.chip describes the flash');
    expect(again).to.include('more');
    host.unlink(`${IMAGE}.chip`);
    const found = jffs2_detect_nand({
      sizeBytes: kernel.length,
      read: (buf, off, length, at) => host.open(IMAGE, 'read').read(buf, off, length, at),
    });
    expect(found).to.deep.include({ layout: 'raw', ecc: 'hamming', erasesize: 16384 });
    expect(session(host, {})).to.include('more');
  });

  it('a dump without OOB is NAND when it is said, and stays without', () => {
    const host = hostWith(dumpWith(null));
    const options = { writesize: 512, sidecar: false, erasesize: 16384 } as const;
    const first = session(host, options, (fs) => fs.writeFile('more', 'x'));
    expect(first).to.include('layout data: by the size of the file');
    expect(host.readFile(IMAGE).length).to.equal(131072);
    expect(session(host, options).slice(0, 6)).to.deep.equal([...ALL, 'more'].toSorted());
    // Without a word it is NOR flash, and a hint.
    const plain = session(host, { sidecar: false, readOnly: true, erasesize: 16384 });
    expect(plain.join('\n')).to.match(
      /may be a dump of NAND without OOB: \d+ padding nodes end at pages of 512 bytes; writesize=512/,
    );
    expect(session(host, { sidecar: false, erasesize: 16384 })).to.include('more');
  });

  it('autoplaced OOB is written autoplaced', () => {
    const host = hostWith(
      dumpWith((oob) => {
        oob.copyWithin(0, 8, 16);
        oob.fill(0xff, 8);
      }),
    );
    session(host, { sidecar: false }, (fs) => fs.writeFile('more', 'x'));
    const bytes = host.readFile(IMAGE);
    for (let at = 512; at < bytes.length; at += 528) {
      expect(bytes.subarray(at + 8, at + 16).every((byte) => byte === 0xff)).to.equal(true);
    }
    expect(session(host, { sidecar: false })).to.include('more');
  });

  it('an ECC that nobody knows: read-only, unless it is said that there is none', () => {
    const foreign = dumpWith((oob) => {
      for (const i of [0, 1, 2, 3, 6, 7]) oob[i]! ^= oob[i] === 0xff ? 0 : 0x5a;
    });
    const host = hostWith(foreign);
    const lines = session(host, {});
    expect(lines).to.include.members(ALL);
    expect(lines.join('\n')).to.include('read-only: its ECC is not known');
    expect(host.readFile(IMAGE)).to.deep.equal(foreign);
    session(host, { ecc: 'none', sidecar: false }, (fs) => fs.writeFile('more', 'x'));
    expect(session(host, { sidecar: false })).to.include('more');
  });

  it('makes a blank chip, of any pages', () => {
    for (const [writesize, oobsize, erasesize] of [
      [512, 16, 16384],
      [2048, 64, 131072],
      [2048, 128, 131072],
      [4096, 128, 262144],
    ] as const) {
      const host = hostWith(new Uint8Array(0));
      const size = 16 * erasesize;
      const options = { chip: 'nand', writesize, oobsize, size } as const;
      const lines = session(host, options, (fs) => fs.writeFile('first', 'x'.repeat(10_000)));
      expect(lines.join('\n')).to.include(`16 erase blocks of ${erasesize}`);
      host.unlink(`${IMAGE}.chip`);
      const found = session(host, {});
      expect(found).to.include('first');
      expect(found.join('\n')).to.include(`pages of ${writesize}+${oobsize} bytes`);
    }
  });

  it('makes a chip by its id', () => {
    const host = hostWith(new Uint8Array(0));
    const options = { id_bytes: '20 a2 00 15', size: 16 * 131072 };
    const lines = session(host, options, (fs) => fs.writeFile('first', 'x'));
    expect(lines).to.include(
      'id bytes: ST Micro NAND 64 MiB, 512 erase blocks of 128 KiB, pages of 2048+64 bytes',
    );
    expect(host.readFile(IMAGE).length % 2112).to.equal(0);
    expect(session(host, {})).to.include('first');
    expect(refusal(hostWith(kernel), { id_bytes: '20' })).to.include('two to eight bytes in hex');
    expect(refusal(hostWith(kernel), { id_bytes: '2000' })).to.include('no such device is known');
  });

  it('says what is wrong with what is asked for', () => {
    expect(refusal(hostWith(new Uint8Array(131072).fill(0xff)), { chip: 'nand' })).to.equal(
      'EINVAL: the page size of the NAND flash cannot be told from the image; give writesize=',
    );
    expect(refusal(hostWith(kernel), { writesize: 500 })).to.match(
      /^EINVAL: writesize=500: a page/,
    );
    expect(refusal(hostWith(kernel), { writesize: 2048, oobsize: 100 })).to.match(
      /no OOB layout for pages of 2048\+100 bytes in .*; ecc 'none'/,
    );
    const host = hostWith(kernel);
    session(host, {});
    expect(refusal(host, { chip: 'nor' })).to.equal(
      'EINVAL: chip=nor: /nand.bin.chip describes NAND',
    );
  });

  it('marks of bad blocks are kept, and reported', () => {
    const marked = Uint8Array.from(kernel);
    marked[3 * 32 * 528 + 512 + 5] = 0;
    const lines = session(hostWith(marked), {}, (fs) => fs.writeFile('more', 'x'));
    expect(lines).to.include('the chip has 1 bad erase block');
  });
});
