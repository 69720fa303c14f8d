import { expect } from 'chai';
import { parseGetfattr } from '../../src/rumpuser/getfattr.js';
import type { TreeEntry, TreeNode } from './tree.js';
import { assertSameTree, brokenNode, buildTree, diffTrees } from './tree.js';

const FILE: TreeNode = {
  type: 'file',
  mode: 0o644,
  uid: 1,
  gid: 2,
  size: 3,
  mtime: 4,
  nlink: 1,
  ino: 5,
  sha256: 'aa',
};
const ROOT: TreeNode = {
  type: 'dir',
  mode: 0o755,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 0,
  nlink: 3,
  ino: 1,
};

describe('comparing trees', () => {
  const tree = buildTree([
    ['b', FILE],
    ['.', ROOT],
    ['a', { ...FILE, ino: 6 }],
  ]);

  it('sorts by bytes and finds equal trees equal', () => {
    expect(tree.map((entry) => entry.path)).to.deep.equal(['.', 'a', 'b']);
    expect(diffTrees(tree, tree)).to.deep.equal([]);
  });

  it('knows hard links by their first name, not by their number', () => {
    const linked = buildTree([
      ['x', { ...FILE, ino: 70 }],
      ['w', { ...FILE, ino: 70 }],
    ]);
    const renumbered = buildTree([
      ['x', { ...FILE, ino: 8 }],
      ['w', { ...FILE, ino: 8 }],
    ]);
    const separate = buildTree([
      ['x', { ...FILE, ino: 8 }],
      ['w', { ...FILE, ino: 9 }],
    ]);
    expect(linked[1]?.sameAs).to.equal('w');
    expect(diffTrees(linked, renumbered)).to.deep.equal([]);
    expect(diffTrees(linked, separate)).to.deep.equal(['x: sameAs is absent, expected w']);
  });

  const changes: [string, Partial<TreeEntry>][] = [
    ['type', { type: 'fifo' }],
    ['mode', { mode: 0o600 }],
    ['uid', { uid: 9 }],
    ['gid', { gid: 9 }],
    ['size', { size: 9 }],
    ['mtime', { mtime: 9 }],
    ['nlink', { nlink: 2 }],
    ['rdev', { rdev: { major: 1, minor: 2 } }],
    ['target', { target: 'x' }],
    ['sha256', { sha256: 'bb' }],
    ['error', { error: 'EIO' }],
    ['xattrs', { xattrs: { 'user.a': '' } }],
  ];
  for (const [field, change] of changes) {
    it(`sees a different ${field}, and can be told to ignore it`, () => {
      const changed = tree.map((e) => (e.path === 'a' ? { ...e, ...change } : e));
      expect(diffTrees(tree, changed)).to.have.length(1);
      expect(diffTrees(tree, changed)[0]).to.match(new RegExp(`^a: ${field} is `));
      expect(diffTrees(tree, changed, { ignore: [field as 'uid'] })).to.deep.equal([]);
    });
  }

  it('compares a time that only one side knows never', () => {
    const timed = tree.map((e) => ({ ...e, ctime: 1 }));
    const late = tree.map((e) => ({ ...e, ctime: 2 }));
    expect(diffTrees(tree, timed)).to.deep.equal([]);
    expect(diffTrees(timed, late)).to.have.length(3);
  });

  it('names what is missing, unexpected or cannot be looked up', () => {
    const other = buildTree([
      ['.', ROOT],
      ['a', { ...FILE, ino: 6 }],
      ['b\n', brokenNode('EIO')],
    ]);
    expect(diffTrees(tree, other)).to.deep.equal([
      'b: missing (expected file 644 1:2 3 bytes)',
      'b\\x0a: unexpected (broken 0 0:0 0 bytes)',
    ]);
    expect(() => assertSameTree('this', tree, other)).to.throw('this: 2 differences in 3 entries');
  });
});

describe('reading getfattr', () => {
  it('takes quoted names and empty values', () => {
    const text =
      '# file: .\nuser.a=0x00ff\n\n# file: ./x\\012y\\134\nuser.e=0x\nuser.\\075=0x31\n\n';
    expect([...parseGetfattr(text)]).to.deep.equal([
      ['.', [['user.a', Buffer.from([0, 255])]]],
      [
        'x\ny\\',
        [
          ['user.e', Buffer.alloc(0)],
          ['user.=', Buffer.from('1')],
        ],
      ],
    ]);
  });
});
