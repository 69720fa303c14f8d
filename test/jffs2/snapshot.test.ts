/** A mount that begins with what another one had in memory, instead of a scan. */
import { expect } from 'chai';
import { jffs2_eraseblock } from '../../src/jffs2/nodelist.js';
import { jffs2_take_snapshot } from '../../src/jffs2/snapshot.js';
import { jffs2_known_fs_type } from '../../src/jffs2/super.js';
import { blankBacking, CUT_MEDIA, MEDIA } from './media.js';
import { newHost, Rig, sampleBytes } from './rig.js';

/** Files that change and go, attributes that are shared and replaced. */
function work(rig: Rig, from: number): void {
  const { u } = rig;
  for (let n = from; n < from + 60; n++) {
    const name = `/f${n % 9}`;
    if (n % 7 === 6 && u.readdir('/').includes(name.slice(1))) u.unlink(name);
    else u.writeFile(name, sampleBytes(100 + 37 * (n % 50), n));
    if (n % 7 !== 6 && n % 3 === 0) u.setxattr(name, 'user.kind', `kind ${n % 2}`);
    if (n % 7 !== 6 && n % 5 === 0) u.setxattr(name, 'user.own', `${n}`);
    if (n % 20 === 0) rig.settle(30);
  }
}

const contents = ({ u }: Rig): Record<string, string> =>
  Object.fromEntries(
    u
      .readdir('/')
      .sort()
      .map((name) => [
        name,
        Buffer.from(u.readFile(`/${name}`)).toString('latin1') + u.listxattr(`/${name}`).join(),
      ]),
  );

/** Made by the mount, from the chip and its options, or empty while nothing is mounted. */
const MADE_ANEW = [
  ...['lump', 'mtd', 'e', 'sb', 'damage', 'mount_opts', 'compressors', 'flags'],
  ...['flash_size', 'sector_size', 'nr_blocks', 'cleanmarker_size', 'oob_cleanmarker'],
  ...['retlen', 'check_iterator', 'gc_task', 'policy', 'accounts', 'thin', 'linux_summary_quirk'],
  ...['linux_gc_trigger', 'gc_triggered'],
  ...['alloc_sem', 'xattr_sem', 'erase_wait', 'gc_wait', 'xref_temp'],
  ...['nodeview', 'sumbuf', 'cleanmarker'],
  ...['nodebuf', 'pagebuf', 'gc_page', 'lengths', 'pt', 'bounce', 'nospc_dirty_size'],
  ...['resv_blocks_write', 'resv_blocks_deletion', 'resv_blocks_gctrigger', 'resv_blocks_gcbad'],
  ...['resv_blocks_gcmerge', 'vdirty_blocks_gctrigger'],
];

describe('jffs2: snapshots', () => {
  for (const medium of [CUT_MEDIA.nor2, MEDIA.nandSmall]) {
    it(`are what was in memory: ${medium.name}`, () => {
      const host = newHost();
      const rig = new Rig({ host, mtd: medium.chip(host, blankBacking(medium)) });
      work(rig, 0);
      const before = contents(rig);
      const { c } = rig;
      rig.umount();
      const snapshot = structuredClone(jffs2_take_snapshot(c));
      expect(snapshot.owners.xattrindex.size).to.be.greaterThan(1);

      rig.mount('', false, jffs2_known_fs_type(snapshot));
      const known = rig.c;
      rig.umount();
      expect(jffs2_take_snapshot(known)).to.deep.equal(snapshot);

      rig.mount('', false, jffs2_known_fs_type(snapshot));
      rig.check();
      expect(contents(rig)).to.deep.equal(before);
      work(rig, 60);
      rig.check();
      const after = contents(rig);
      rig.remount();
      expect(contents(rig)).to.deep.equal(after);
    });
  }

  it('leave nothing out that decides what happens next', () => {
    const rig = new Rig();
    const { c } = rig;
    rig.umount();
    const snapshot = jffs2_take_snapshot(c);
    const saved = [
      ...Object.keys(snapshot.numbers),
      ...Object.keys(snapshot.owners),
      ...snapshot.lists.keys(),
      ...['ro_only', 'xattr_verified', 'nextblock', 'gcblock', 'blocks', 'refs', 'summary', 'wbuf'],
    ];
    expect(Object.keys(c)).to.have.members([...saved, ...MADE_ANEW]);
    const block = Object.keys(new jffs2_eraseblock(0, 1));
    const links = ['offset', 'list', 'prev', 'next'];
    expect(block).to.have.members([...Object.keys(snapshot.blocks), ...links]);
  });
});
