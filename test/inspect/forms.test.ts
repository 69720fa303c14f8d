/** Other forms of a flash: byte order, erase size, hidden in a dump; and what differs. */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { carve } from '../../src/inspect/carve.js';
import { convert } from '../../src/inspect/convert.js';
import { diff } from '../../src/inspect/diff.js';
import { Prng } from '../../src/rumpuser/prng.js';
import { FLASH_IMAGES_FOLDER, readFlashImages } from '../images/flash_images.js';
import { mountImage } from '../images/mount.js';
import { swapByteOrder } from '../images/swap_byte_order.js';
import { assertSameTree } from '../images/tree.js';
import { ukfsTree } from '../images/ukfs_tree.js';
import { openState, treeOfState } from './inspect_tree.js';

const IMAGES = readFlashImages().images.filter(({ nand }) => nand === undefined);
const bytesOf = (file: string): Buffer => readFileSync(join(FLASH_IMAGES_FOLDER, file));

describe('other forms of a flash', () => {
  for (const { file, byteOrder, eraseSizeBytes, tree } of IMAGES) {
    const other = byteOrder === 'le' ? 'be' : 'le';
    const endian = other === 'le' ? 'little' : 'big';

    it(`${file} turned to ${endian} endian: byte for byte as another program turns it`, () => {
      const bytes = bytesOf(file);
      const state = openState(bytes, { erasesize: eraseSizeBytes, offset: 0 });
      const turned = convert(state, { endian });
      const wanted = swapByteOrder(bytes, byteOrder, eraseSizeBytes);
      expect(Buffer.compare(turned.bytes, wanted)).to.equal(0);
      const back = convert(openState(turned.bytes, { erasesize: eraseSizeBytes, offset: 0 }), {
        endian: byteOrder === 'le' ? 'little' : 'big',
      });
      expect(Buffer.compare(back.bytes, bytes)).to.equal(0);
    });

    it(`${file} in erase blocks of another size and byte order is mounted, and the same`, () => {
      const state = openState(bytesOf(file));
      for (const erasesize of [16_384, 131_072]) {
        const { bytes } = convert(state, { erasesize, endian });
        const mounted = mountImage(bytes, {
          eraseSizeBytes: erasesize,
          byteOrder: other,
          readOnly: true,
        });
        assertSameTree(`${erasesize}`, tree, ukfsTree(mounted.ukfs));
        expect(mounted.lump.warnings).to.equal(0);
        mounted.ukfs.unmount();
        expect([...diff(state, openState(bytes, { erasesize, offset: 0, endian }))]).to.deep.equal(
          [],
        );
      }
    });
  }

  it('diff tells what was changed, added and removed', () => {
    const bytes = bytesOf('demo.jffs2');
    const mounted = mountImage(bytes, { eraseSizeBytes: 65_536 });
    mounted.ukfs.writeFile('/etc/hostname', 'other');
    mounted.ukfs.writeFile('/new', 'x');
    mounted.ukfs.unlink('/README');
    mounted.ukfs.chmod('/etc/fstab', 0o600);
    mounted.ukfs.unmount();
    const found = [...diff(openState(bytes), openState(mounted.image()))];
    const of = (path: string) => found.find((difference) => difference.path === path);
    expect(of('README')?.change).to.equal('removed');
    expect(of('new')?.change).to.equal('added');
    expect(of('etc/hostname')?.details.join()).to.include('content differs from byte 0 on');
    expect(of('etc/fstab')?.details.join()).to.include('mode -rw-r--r-- → -rw-------');
  });

  it('carve finds several in a dump: behind headers, unaligned, cut off, back to back', () => {
    const prng = new Prng(7);
    const noise = (length: number): Uint8Array =>
      Uint8Array.from({ length }, () => prng.below(256));
    const first = bytesOf('kernel.jffs2');
    const second = bytesOf('big-endian.jffs2');
    const third = bytesOf('summary.jffs2');
    const fourth = bytesOf('lzo.jffs2');
    // From the middle of its second erase block on.
    const cut = first.subarray(8192 + 5000);
    const parts = [
      noise(400_000),
      first,
      noise(300_123),
      second,
      noise(300_000),
      third,
      fourth,
      noise(300_000),
      cut,
    ];
    const dump = Buffer.concat(parts);
    const starts: number[] = [];
    let end = 0;
    for (const part of parts) {
      starts.push(end);
      end += part.length;
    }
    const found = carve(dump);
    expect(found.map(({ endian }) => endian)).to.deep.equal([
      'little',
      'big',
      'little',
      'little',
      'little',
    ]);
    expect(found.slice(0, 4).map(({ offset }) => offset)).to.deep.equal([
      starts[1],
      starts[3],
      starts[5],
      starts[6],
    ]);
    expect(found[4]).to.include({ eraseSizeBytes: 8192 });
    const border = found[4]!.offset - found[4]!.missingBytes;
    expect(border).to.equal(starts[8]! - 5000);
    expect(carve(cut)[0]).to.include({ offset: 0, missingBytes: 5000, eraseSizeBytes: 8192 });
    const trees = found.slice(0, 4).map(({ offset, length, endian, eraseSizeBytes }) => {
      const part = dump.subarray(offset, offset + length);
      return treeOfState(openState(part, { erasesize: eraseSizeBytes, endian, offset: 0 }));
    });
    ['kernel', 'big-endian', 'summary', 'lzo'].forEach((name, n) => {
      const { tree } = IMAGES.find(({ file }) => file === `${name}.jffs2`)!;
      assertSameTree(name, tree, trees[n]!);
    });
  });
});
