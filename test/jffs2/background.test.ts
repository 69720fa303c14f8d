/** The background thread: what wakes it, and what it does then (reference jffs2.md §7.6). */
import { expect } from 'chai';
import { Rig, sampleBytes } from './rig.js';

const ERASE_BYTES = 8192;
/** Fills more than two blocks, and nothing in it can be compressed. */
const LARGE = sampleBytes(3 * ERASE_BYTES, 3);
const SMALL = sampleBytes(100, 3);

interface Work {
  /** Passes of garbage collection, those that erase among them. */
  readonly passes: number;
  readonly erases: number;
  /** Bytes that collecting programmed. */
  readonly moved: number;
}

const erasesOf = ({ mtd }: Rig): number => mtd.wear.eraseCount.reduce((sum, n) => sum + n, 0);

/** What the thread does about a file that was removed, until it sleeps. */
function afterRemoval(rig: Rig): Work {
  const { c } = rig;
  const erasesBefore = erasesOf(rig);
  let passes = 0;
  let moved = 0;
  const nothing = (): void => undefined;
  c.accounts = {
    programmed: (_buf, _off, from, to, _len, ino) => {
      if (ino === 0) moved += to - from;
    },
    buffered: nothing,
    padded: nothing,
    page_programmed: nothing,
    page_lost: nothing,
    cleanmarker: nothing,
    pass_begins: () => passes++,
    pass_ends: nothing,
  };
  // In one tick of 128 a block is left for later.
  rig.host.advance(4);
  rig.u.unlink('/removed');
  rig.settle();
  c.accounts = null;
  return { passes, erases: erasesOf(rig) - erasesBefore, moved };
}

/** @param kept small files beside the one that will be removed. */
function rigWith(kept: number, linuxTrigger: boolean): Rig {
  // A summary counts as used: a block with one is not empty before it is collected.
  const rig = new Rig({
    sizeBytes: 32 * ERASE_BYTES,
    eraseBytes: ERASE_BYTES,
    options: 'nosummary',
  });
  rig.settle();
  rig.c.linux_gc_trigger = linuxTrigger;
  for (let n = 0; n < kept; n++) rig.u.writeFile(`/kept ${n}`, SMALL);
  rig.u.writeFile('/removed', LARGE);
  rig.settle();
  return rig;
}

describe('jffs2: the background thread', () => {
  it('erases what is empty, and sleeps', () => {
    const rig = rigWith(20, false);
    const { passes, erases, moved } = afterRemoval(rig);
    expect(erases).to.be.greaterThan(0);
    expect({ passes, moved }).to.deep.equal({ passes: erases, moved: 0 });
  });

  it("as Linux's: the end of an erase wakes it for one pass more", () => {
    const rig = rigWith(20, true);
    const { passes, erases, moved } = afterRemoval(rig);
    expect(erases).to.be.greaterThan(0);
    expect(passes).to.equal(erases + 1);
    expect(moved).to.be.greaterThan(0);
    rig.check();
  });

  it('a pass more does not end it, where nothing can be collected', () => {
    const rig = rigWith(0, true);
    const { passes, erases, moved } = afterRemoval(rig);
    expect({ passes, moved }).to.deep.equal({ passes: erases + 1, moved: 0 });
    expect(rig.c.gc_task).to.not.equal(null);
    rig.u.writeFile('/removed', LARGE);
    expect(afterRemoval(rig).erases).to.be.greaterThan(0);
  });
});
