/**
 * The journal of ext3: after a crash it holds what was on its way to the disk, and a file system
 * that says so (needs_recovery) must not be used before that is there. It is put there; for a mount
 * that only reads, in memory (the disk stays as it is).
 *
 * Three passes over the transactions, as everybody does it: find the last one that was committed,
 * collect the blocks that were revoked, copy what was not. Journals with features that ext3 does
 * not have (64-bit numbers, checksums) are refused.
 */
import { disk_overlay } from '../../disk/overlay.js';
import type { disk } from '../../disk/disk.js';
import { NetbsdErrno } from '../../errno.js';
import type { Lump } from '../../../lump/lump.js';
import { be32 } from '../../structure.js';
import { ext2fs_bmap } from './ext2fs_bmap.js';
import { ext2_inode } from './ext2fs_inode.js';
import { ext2fs_super } from './ext2fs_super.js';
import { VREG } from '../../../puffs/puffs.js';
import {
  e2di,
  e2fs,
  EXT2F_INCOMPAT_RECOVER,
  JBD_COMMIT,
  JBD_DESCRIPTOR,
  JBD_FLAG_ESCAPE,
  JBD_FLAG_LAST_TAG,
  JBD_FLAG_SAME_UUID,
  JBD_HEADER_BYTES,
  jbd_header,
  JBD_INCOMPAT_REVOKE,
  JBD_MAGIC,
  jbd_revoke,
  JBD_REVOKE,
  JBD_REVOKE_BYTES,
  jbd_sb,
  JBD_SUPERBLOCK_V1,
  JBD_SUPERBLOCK_V2,
  jbd_tag,
  JBD_TAG_BYTES,
  JBD_UUID_BYTES,
  NDADDR,
  NIADDR,
} from './medium.js';

const block_number = be32(0, 'block number');

/**
 * Replays the journal if it is needed.
 * @returns the disk to mount: the same, or one that has the journal's blocks in memory.
 * @throws EINVAL it cannot be replayed: use the file system with e2fsck first; EIO.
 */
export function ext2fs_recover(lump: Lump, disk: disk, readOnly: boolean): disk {
  const target = readOnly ? new disk_overlay(disk) : disk;
  const fs = new ext2fs_super(lump, target);
  try {
    if ((fs.sb_get(e2fs.features_incompat) & EXT2F_INCOMPAT_RECOVER) === 0) return disk;
    const blocks = new journal(fs).replay();
    const features = fs.sb_get(e2fs.features_incompat);
    fs.sb_put(e2fs.features_incompat, features & ~EXT2F_INCOMPAT_RECOVER);
    fs.cache.flush();
    lump.pr_notice(`ext2fs: ${disk.name}: journal replayed, ${blocks} blocks`);
    return target;
  } finally {
    fs.cache.close();
  }
}

class journal {
  private readonly fs: ext2fs_super;
  /** Block of the disk by block of the journal. */
  private readonly map: Uint32Array;
  private readonly first: number;
  private readonly start: number;
  private readonly sequence: number;
  /** Block → the last transaction that revoked it. */
  private readonly revoked = new Map<number, number>();

  constructor(fs: ext2fs_super) {
    this.fs = fs;
    const refuse = (why: string): never => {
      throw new NetbsdErrno(
        'EINVAL',
        `${fs.disk.name}: its journal must be replayed and cannot be here (${why}); run e2fsck`,
      );
    };
    const ino = fs.sb_get(e2fs.journal_inum);
    if (ino === 0) refuse('it is on another disk');
    const { bp, off } = fs.inode_at(ino);
    const node = new ext2_inode(ino, VREG);
    for (let i = 0; i < NDADDR + NIADDR; i++) {
      node.e2di_blocks[i] = e2di.blocks.get(bp.b_data, off + 4 * i);
    }
    const count = Math.floor(e2di.size.get(bp.b_data, off) / fs.bsize);
    if (count < 2 || count > fs.bcount) refuse(`it has ${count} blocks`);
    const bmap = new ext2fs_bmap(fs);
    this.map = Uint32Array.from({ length: count }, (_, lbn) => bmap.lookup(node, lbn).blkno);
    if (this.map.includes(0)) refuse('it has holes');
    const sb = this.read(0);
    const type = jbd_header.type.get(sb, 0);
    const isJournal =
      jbd_header.magic.get(sb, 0) === JBD_MAGIC &&
      (type === JBD_SUPERBLOCK_V1 || type === JBD_SUPERBLOCK_V2);
    if (!isJournal || jbd_sb.blocksize.get(sb, 0) !== fs.bsize) refuse('its head is damaged');
    const features = type === JBD_SUPERBLOCK_V2 ? jbd_sb.incompat.get(sb, 0) : 0;
    if ((features & ~JBD_INCOMPAT_REVOKE) !== 0) {
      refuse(`it has features 0x${features.toString(16)}, which are ext4's`);
    }
    this.first = jbd_sb.first.get(sb, 0);
    this.start = jbd_sb.start.get(sb, 0);
    this.sequence = jbd_sb.sequence.get(sb, 0);
    if (this.first < 1 || this.first >= count || this.start >= count) refuse('its head is damaged');
  }

  /** @returns blocks that were copied. */
  replay(): number {
    let copied = 0;
    let end = this.sequence;
    if (this.start !== 0) {
      end = this.walk(Infinity, () => {});
      this.walk(end, (type, data, sequence) => {
        if (type === JBD_REVOKE) this.revoke(data, sequence);
      });
      this.walk(end, (type, data, sequence, blocks) => {
        if (type === JBD_DESCRIPTOR) copied += this.copy(data, sequence, blocks);
      });
    }
    const bp = this.fs.cache.bread(this.map[0]!);
    jbd_sb.start.put(bp.b_data, 0, 0);
    jbd_sb.sequence.put(bp.b_data, 0, end >>> 0);
    // The copies first: with the mark gone nobody would look for them again.
    this.fs.cache.flush();
    this.fs.cache.bdwrite(bp);
    this.fs.cache.flush();
    return copied;
  }

  private read(lbn: number): Uint8Array {
    return this.fs.cache.bread(this.map[lbn]!).b_data;
  }

  private next(lbn: number): number {
    return lbn + 1 >= this.map.length ? this.first : lbn + 1;
  }

  /**
   * Goes along the transactions before `end`.
   * @param visit gets each block of the journal's own, and of a descriptor where its data lie.
   * @returns the first transaction that was not committed.
   */
  private walk(
    end: number,
    visit: (type: number, data: Uint8Array, sequence: number, blocks: readonly number[]) => void,
  ): number {
    let { sequence, start: at } = this;
    for (let left = this.map.length; left > 0 && sequence < end; ) {
      const data = this.read(at);
      const isOurs =
        jbd_header.magic.get(data, 0) === JBD_MAGIC &&
        jbd_header.sequence.get(data, 0) === sequence;
      if (!isOurs) break;
      const type = jbd_header.type.get(data, 0);
      at = this.next(at);
      left--;
      if (type === JBD_COMMIT) {
        sequence++;
        continue;
      }
      if (type !== JBD_DESCRIPTOR && type !== JBD_REVOKE) break;
      const blocks: number[] = [];
      if (type === JBD_DESCRIPTOR) {
        for (const _tag of tags(data)) {
          blocks.push(at);
          at = this.next(at);
          left--;
        }
      }
      visit(type, data, sequence, blocks);
    }
    return sequence;
  }

  private revoke(data: Uint8Array, sequence: number): void {
    const end = Math.min(jbd_revoke.count.get(data, 0), data.length);
    for (let at = JBD_REVOKE_BYTES; at + 4 <= end; at += 4) {
      const blkno = block_number.get(data, at);
      this.revoked.set(blkno, Math.max(sequence, this.revoked.get(blkno) ?? 0));
    }
  }

  private copy(data: Uint8Array, sequence: number, blocks: readonly number[]): number {
    const { fs } = this;
    let copied = 0;
    let i = 0;
    for (const { blkno, flags } of tags(data)) {
      const source = this.read(blocks[i++]!);
      if ((this.revoked.get(blkno) ?? -1) >= sequence) continue;
      if (!fs.is_block(blkno)) {
        fs.damage(`the journal has a block ${blkno}`);
        continue;
      }
      const bp = fs.cache.getblk(blkno);
      bp.b_data.set(source);
      if ((flags & JBD_FLAG_ESCAPE) !== 0) jbd_header.magic.put(bp.b_data, 0, JBD_MAGIC);
      fs.cache.bdwrite(bp);
      fs.cache.balance();
      copied++;
    }
    return copied;
  }
}

function* tags(data: Uint8Array): Generator<{ blkno: number; flags: number }, void, void> {
  for (let at = JBD_HEADER_BYTES; at + JBD_TAG_BYTES <= data.length; ) {
    const flags = jbd_tag.flags.get(data, at);
    yield { blkno: jbd_tag.blocknr.get(data, at), flags };
    if ((flags & JBD_FLAG_LAST_TAG) !== 0) return;
    at += JBD_TAG_BYTES + ((flags & JBD_FLAG_SAME_UUID) !== 0 ? 0 : JBD_UUID_BYTES);
  }
}
