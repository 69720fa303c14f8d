/**
 * The inspector on hostile images, beside a mount of the same bytes: it survives, lists the same
 * tree, and its check says "clean" exactly where the mount finds nothing to complain about.
 * LUMP_IMAGES=n tries more, LUMP_FIRST=n starts at another seed.
 */
import { expect } from 'chai';
import { check, repair } from '../../src/inspect/check.js';
import type { FlashOptions } from '../../src/inspect/flash.js';
import { jffs2_verify_xattr } from '../../src/jffs2/xattr.js';
import { Errno } from '../../src/lump/errno.js';
import { nodeZlib } from '../../src/rumpuser/node_zlib.js';
import { Prng } from '../../src/rumpuser/prng.js';
import { bases, ERASE_BYTES } from '../hostile/bases.js';
import { inspectAll } from '../hostile/inspect_all.js';
import { Mutator } from '../hostile/mutate.js';
import { ukfsTree } from '../images/ukfs_tree.js';
import { assertSameTree, type Tree } from '../images/tree.js';
import type { ByteOrder } from '../jffs2/nodes.js';
import { Rig } from '../jffs2/rig.js';
import { openState, treeOfState } from './inspect_tree.js';

const COUNT = Math.ceil(Number(process.env.LUMP_IMAGES ?? 1000) / 20);
const FIRST = Number(process.env.LUMP_FIRST ?? 0);

/** Files of 4 GiB are one node of 68 bytes. */
const BYTES_MAX = 1 << 17;

interface Mounted {
  /** Null: refused. */
  readonly tree: Tree | null;
  /** What the mount complained about, in all. */
  readonly damage: string;
}

function mountAndRead(image: Uint8Array, order: ByteOrder): Mounted {
  let rig: Rig;
  try {
    rig = new Rig({
      image: image.slice(),
      eraseBytes: ERASE_BYTES,
      readOnly: true,
      options: `endian=${order}`,
    });
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    return { tree: null, damage: error.message };
  }
  const tree = ukfsTree(rig.u, { bytesMax: BYTES_MAX, lenient: true });
  const { c } = rig;
  jffs2_verify_xattr(c);
  const eio = tree.filter((entry) => entry.error !== undefined).map(({ path }) => path);
  const damage = [c.damage.total > 0 ? c.damage.summary() : '', eio.join(',')].filter((s) => s);
  rig.umount();
  return { tree, damage: damage.join('; ') };
}

/**
 * What lies must agree in: not the errno (ENAMETOOLONG for long targets), not the links of a file
 * whose entry calls it a directory (Linux counts its parent's number), not lists of access that a
 * system call refuses, nor attributes of what can
 * have none, or of no known kind.
 */
const anyError = (tree: Tree): Tree =>
  tree.map((entry) => {
    const { xattrs: all = {}, ...facts } = entry;
    const kept = Object.entries(all).filter(([name]) => !/^(system|\d+)\./.test(name));
    const hasThem = kept.length > 0 && (entry.type === 'file' || entry.type === 'dir');
    return {
      ...facts,
      ...(entry.type !== 'dir' && { nlink: 0 }),
      ...(entry.error !== undefined && { error: 'EIO' }),
      ...(hasThem && { xattrs: Object.fromEntries(kept) }),
    };
  });

function compare(kind: 'structure' | 'bytes', seed: number): { agreed: boolean } {
  const prng = new Prng(seed);
  const base = bases()[prng.below(bases().length)]!;
  const mutator = new Mutator(base, prng);
  for (let n = 1 + prng.below([3, 3, 12, 60][prng.below(4)]!); n > 0; n--) {
    mutator.mutate(kind === 'bytes');
  }
  const image = mutator.bytes;
  const options = { erasesize: ERASE_BYTES, offset: 0, endian: base.order };
  const state = openState(image, options);
  const mounted = mountAndRead(image, base.order);
  const checked = check(state);
  expect(checked.isMountable, `mountable; a mount says "${mounted.damage}"`).to.equal(
    mounted.tree !== null,
  );
  inspectAll(image, options, prng);
  if (mounted.tree === null) return { agreed: true };
  const mine = anyError(treeOfState(state, BYTES_MAX));
  const isClean = checked.problems.length === 0;
  if (!checked.problems.some(({ kind: k, severity }) => k === 'summary' && severity === 'error')) {
    // Where one attribute is wrong, a mount may answer an error for all.
    const unlisted = mounted.tree.filter(({ xattrs = {} }) => '?' in xattrs);
    const paths = new Set(unlisted.map(({ path }) => path));
    const without = (tree: Tree): Tree =>
      tree.map(({ xattrs, ...facts }) =>
        xattrs === undefined || paths.has(facts.path) ? facts : { ...facts, xattrs },
      );
    assertSameTree('by the inspector', without(anyError(mounted.tree)), without(mine));
  }
  if (isClean) expect(mounted.damage, 'check finds nothing').to.equal('');
  else repaired(image, options, mine);
  return { agreed: isClean === (mounted.damage === '') };
}

/** After repairing, what was readable still is, and nothing that can be repaired is left. */
function repaired(image: Uint8Array, options: FlashOptions, before: Tree): void {
  const bytes = image.slice();
  const { state, result } = repair(bytes, { ...options, host: { codecs: nodeZlib() } });
  for (let n = 0; n < bytes.length; n++) {
    if ((bytes[n]! & ~image[n]!) !== 0) throw new Error(`byte ${n}: repair set a bit`);
  }
  const now = new Map(anyError(treeOfState(state, BYTES_MAX)).map((entry) => [entry.path, entry]));
  for (const entry of before) {
    const { path, type, error, sha256, size } = entry;
    if (error !== undefined) continue;
    const after = now.get(path);
    expect(after?.type, path).to.equal(type);
    // A summary that hid newer nodes has gone.
    if (result.problems.length === 0 && type === 'file' && after?.size === size) {
      expect(after.sha256 ?? sha256, path).to.equal(sha256);
    }
  }
  const left = result.problems.filter((problem) => problem.repair !== undefined);
  expect(left.map(({ text }) => text)).to.deep.equal([]);
}

describe('the inspector on hostile images', () => {
  it('calls clean what the mutators start from', () => {
    for (const { bytes, order, name } of bases()) {
      const state = openState(bytes, { erasesize: ERASE_BYTES, offset: 0, endian: order });
      const mounted = mountAndRead(bytes, order);
      assertSameTree(name, anyError(mounted.tree!), anyError(treeOfState(state, BYTES_MAX)));
      const { problems } = check(state);
      expect(problems.length > 0, name).to.equal(mounted.damage !== '');
    }
  });

  for (const kind of ['structure', 'bytes'] as const) {
    const count = Math.ceil(COUNT * (kind === 'structure' ? 0.75 : 0.25));
    it(`agrees with a mount about ${count} images with changed ${kind}`, function () {
      this.timeout(0);
      const failures: string[] = [];
      let agreed = 0;
      for (let seed = FIRST; seed < FIRST + count; seed++) {
        try {
          if (compare(kind, seed).agreed) agreed++;
        } catch (error) {
          failures.push(`LUMP_IMAGE=${kind}:${seed}: ${(error as Error).stack}`);
          if (failures.length >= 10) break;
        }
      }
      expect(failures, failures.join('\n')).to.have.lengthOf(0);
      // The inspector also sees what a mount never looks at.
      expect(agreed).to.be.greaterThan(count / 2);
    });
  }
});
