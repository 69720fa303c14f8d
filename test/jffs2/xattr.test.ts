/**
 * Extended attributes while the chip fails: an answered error has changed nothing, an answered
 * success holds, and what was replaced or removed does not come back at the next mount.
 */
import { expect } from 'chai';
import { type call_fault, mtd_faults } from '../../src/mtd/fault.js';
import { RamBacking } from '../../src/mtd/ram_backing.js';
import type { UkfsError } from '../../src/ukfs/error.js';
import { blankBacking, CUT_MEDIA } from './media.js';
import { newHost, Rig } from './rig.js';

const NAME = 'user.a';
const NEVER = Number.MAX_SAFE_INTEGER;

const held = (rig: Rig): string[] =>
  rig.u
    .listxattr('/f')
    .map((name) => `${name}=${Buffer.from(rig.u.getxattr('/f', name)).toString()}`);

/** @returns whether it was answered with success. */
function attempt(call: () => void): boolean {
  try {
    call();
    return true;
  } catch (error) {
    expect((error as UkfsError).code).to.equal('EIO');
    return false;
  }
}

/**
 * A value is replaced, and the attribute removed, while writes fail from the nth on.
 * @param writes how many fail; two fail a call of the file system, which tries again elsewhere.
 * @returns writes that replacing took, and what replacing and removing were answered.
 */
function replaceAndRemove(
  nth: number,
  writes: number,
): { calls: number; replaced: boolean; removed: boolean } {
  const host = newHost();
  const backing = blankBacking(CUT_MEDIA.nor);
  const faults: call_fault[] = [];
  const mtd = new mtd_faults(CUT_MEDIA.nor.chip(host, backing), faults);
  const rig = new Rig({ mtd, host });
  rig.settle();
  rig.u.writeFile('/f', '');
  rig.u.setxattr('/f', NAME, 'one');
  rig.u.sync();

  const before = mtd.calls.write;
  for (let n = 0; nth !== NEVER && n < writes; n++) {
    const at = before + nth + n;
    faults.push({ call: 'write', nth: at, lasting: false, code: 'EIO', stored: 0 });
  }
  const replaced = attempt(() => rig.u.setxattr('/f', NAME, 'two'));
  const value = replaced ? 'two' : 'one';
  expect(held(rig)).to.deep.equal([`${NAME}=${value}`]);
  const calls = mtd.calls.write - before;
  const removed = attempt(() => rig.u.removexattr('/f', NAME));
  const now = removed ? [] : [`${NAME}=${value}`];
  expect(held(rig)).to.deep.equal(now);
  faults.splice(0);
  rig.u.sync();
  rig.check();

  const again = new Rig({
    mtd: CUT_MEDIA.nor.chip(host, new RamBacking(backing.bytes.slice())),
    host,
  });
  expect(held(again)).to.deep.equal(now);
  again.umount();
  rig.umount();
  return { calls, replaced, removed };
}

describe('jffs2: extended attributes on a chip that fails', () => {
  for (const [writes, answers] of [
    // What fails is tried again, once.
    [1, ['true true']],
    [2, ['false true', 'true false', 'true true']],
    [8, ['false false', 'true false', 'true true']],
  ] as const) {
    it(`${writes} writes in a row, from any one on`, () => {
      const { calls } = replaceAndRemove(NEVER, writes);
      // A datum, its reference, the marker of the one before.
      expect(calls).to.be.at.least(3);
      const seen = new Set<string>();
      for (let nth = 1; nth <= calls + 3; nth++) {
        const { replaced, removed } = replaceAndRemove(nth, writes);
        seen.add(`${replaced} ${removed}`);
      }
      expect([...seen].sort()).to.deep.equal(answers);
    });
  }
});
