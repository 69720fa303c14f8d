import { expect } from 'chai';
import { parseMountInfo } from '../../src/fuse/mountinfo.js';

const TEXT = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
90 22 0:41 / /mnt/a\\040b\\134c rw,nosuid - fuse.lump_jffs2 /img\\011x ro,user_id=0
91 22 0:42 / /mnt/\\303\\274 rw shared:7 master:2 - fuse none
`;

describe('mountinfo', () => {
  it('finds the fields behind any number of tags, and undoes the escapes', () => {
    expect(parseMountInfo(TEXT)).to.deep.equal([
      { minor: 1, mountpoint: '/', type: 'ext4' },
      { minor: 41, mountpoint: '/mnt/a b\\c', type: 'fuse.lump_jffs2' },
      { minor: 42, mountpoint: '/mnt/ü', type: 'fuse' },
    ]);
  });
});
