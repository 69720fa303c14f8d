/** Sizes and offsets of the protocol as literals: the ABI, not what our arithmetic makes of it. */
import { expect } from 'chai';
import * as protocol from '../../src/fuse/protocol.js';
import { structure, WireBuffer, type Structure } from '../../src/fuse/structure.js';

const SIZES: Readonly<Record<string, number>> = {
  fuse_in_header: 40,
  fuse_out_header: 16,
  fuse_attr: 88,
  fuse_entry_out: 128,
  fuse_attr_out: 104,
  fuse_forget_in: 8,
  fuse_batch_forget_in: 8,
  fuse_forget_one: 16,
  fuse_mknod_in: 16,
  fuse_mkdir_in: 8,
  fuse_rename_in: 8,
  fuse_rename2_in: 16,
  fuse_link_in: 8,
  fuse_setattr_in: 88,
  fuse_open_in: 8,
  fuse_create_in: 16,
  fuse_open_out: 16,
  fuse_release_in: 24,
  fuse_read_in: 40,
  fuse_write_in: 40,
  fuse_write_out: 8,
  fuse_kstatfs: 80,
  fuse_fsync_in: 16,
  fuse_getattr_in: 16,
  fuse_setxattr_in: 16,
  fuse_getxattr_in: 8,
  fuse_getxattr_out: 8,
  fuse_access_in: 8,
  fuse_init_in: 64,
  fuse_init_out: 64,
  fuse_fallocate_in: 32,
  fuse_dirent: 24,
  fuse_direntplus: 152,
  fuse_lseek_in: 24,
  fuse_lseek_out: 8,
  fuse_copy_file_range_in: 56,
  fuse_notify_inval_inode_out: 24,
  fuse_notify_retrieve_out: 32,
};

const OFFSETS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  fuse_in_header: {
    len: 0,
    opcode: 4,
    unique: 8,
    nodeid: 16,
    uid: 24,
    gid: 28,
    pid: 32,
    total_extlen: 36,
    padding: 38,
  },
  fuse_out_header: { len: 0, error: 4, unique: 8 },
  fuse_attr: {
    ino: 0,
    size: 8,
    blocks: 16,
    atime: 24,
    mtime: 32,
    ctime: 40,
    atimensec: 48,
    mtimensec: 52,
    ctimensec: 56,
    mode: 60,
    nlink: 64,
    uid: 68,
    gid: 72,
    rdev: 76,
    blksize: 80,
    flags: 84,
  },
  fuse_entry_out: {
    nodeid: 0,
    generation: 8,
    entry_valid: 16,
    attr_valid: 24,
    entry_valid_nsec: 32,
    attr_valid_nsec: 36,
    attr: 40,
  },
  fuse_attr_out: { attr_valid: 0, attr_valid_nsec: 8, dummy: 12, attr: 16 },
  fuse_setattr_in: {
    valid: 0,
    padding: 4,
    fh: 8,
    size: 16,
    lock_owner: 24,
    atime: 32,
    mtime: 40,
    ctime: 48,
    atimensec: 56,
    mtimensec: 60,
    ctimensec: 64,
    mode: 68,
    unused4: 72,
    uid: 76,
    gid: 80,
    unused5: 84,
  },
  fuse_read_in: {
    fh: 0,
    offset: 8,
    size: 16,
    read_flags: 20,
    lock_owner: 24,
    flags: 32,
    padding: 36,
  },
  fuse_write_in: {
    fh: 0,
    offset: 8,
    size: 16,
    write_flags: 20,
    lock_owner: 24,
    flags: 32,
    padding: 36,
  },
  fuse_kstatfs: {
    blocks: 0,
    bfree: 8,
    bavail: 16,
    files: 24,
    ffree: 32,
    bsize: 40,
    namelen: 44,
    frsize: 48,
    padding: 52,
    spare: 56,
  },
  fuse_init_in: { major: 0, minor: 4, max_readahead: 8, flags: 12, flags2: 16, unused: 20 },
  fuse_init_out: {
    major: 0,
    minor: 4,
    max_readahead: 8,
    flags: 12,
    max_background: 16,
    congestion_threshold: 18,
    max_write: 20,
    time_gran: 24,
    max_pages: 28,
    map_alignment: 30,
    flags2: 32,
    max_stack_depth: 36,
    request_timeout: 40,
    unused: 42,
  },
  fuse_dirent: { ino: 0, off: 8, namelen: 16, type: 20 },
  fuse_direntplus: { entry_out: 0, dirent: 128 },
  fuse_copy_file_range_in: {
    fh_in: 0,
    off_in: 8,
    nodeid_out: 16,
    fh_out: 24,
    off_out: 32,
    len: 40,
    flags: 48,
  },
};

describe('FUSE protocol', () => {
  const declared = Object.values(protocol).filter(
    (value): value is Structure => typeof value === 'object' && 'rows' in value,
  );

  it('structures have the sizes of the ABI', () => {
    expect(Object.fromEntries(declared.map(({ name, bytes }) => [name, bytes]))).to.deep.equal(
      SIZES,
    );
  });

  for (const [name, offsets] of Object.entries(OFFSETS)) {
    it(`${name} has its fields where the ABI has them`, () => {
      expect(declared.find((each) => each.name === name)?.at).to.deep.equal(offsets);
    });
  }

  it('no field overlaps the next', () => {
    for (const { name, rows, at } of declared) {
      const offsets = rows.map(([field]) => at[field]!);
      expect(offsets, name).to.deep.equal([...offsets].sort((a, b) => a - b));
      expect(new Set(offsets).size, name).to.equal(rows.length);
    }
  });
});

describe('WireBuffer', () => {
  it('aligns fields as C does', () => {
    const { at, bytes } = structure('mixed', [
      ['a', 'u16', ''],
      ['b', 'u64', ''],
      ['c', 'u32', ''],
      ['d', ['u16', 3], ''],
    ]);
    expect(at).to.deep.equal({ a: 0, b: 8, c: 16, d: 20 });
    expect(bytes).to.equal(32);
  });

  it("writes what DataView reads in the host's byte order", () => {
    const bytes = new Uint8Array(48);
    const wire = new WireBuffer(bytes);
    const view = new DataView(bytes.buffer);
    const little = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
    wire.putU16(2, 0xabcd);
    wire.putU32(4, 0xfedcba98);
    wire.putU32(8, -5);
    wire.putU64(16, 0x1f_1234_5678_9abc);
    wire.putU64(24, -1);
    wire.putU64(32, -4_294_967_297);
    expect(view.getUint16(2, little)).to.equal(0xabcd);
    expect(view.getUint32(4, little)).to.equal(0xfedcba98);
    expect(view.getInt32(8, little)).to.equal(-5);
    expect(view.getBigUint64(16, little)).to.equal(0x1f_1234_5678_9abcn);
    expect(view.getBigInt64(24, little)).to.equal(-1n);
    expect(view.getBigInt64(32, little)).to.equal(-4_294_967_297n);
    expect([wire.u16(2), wire.u32(4), wire.u64(16)]).to.deep.equal([
      0xabcd, 0xfedcba98, 0x1f_1234_5678_9abc,
    ]);
    expect([wire.s64(24), wire.s64(32)]).to.deep.equal([-1, -4_294_967_297]);
  });

  it('copies 64-bit fields that are no safe integers', () => {
    const from = new WireBuffer(new Uint8Array(16).map((_, i) => 255 - i));
    const to = new WireBuffer(new Uint8Array(16));
    to.copyU64(8, from, 0);
    expect([...to.bytes.subarray(8)]).to.deep.equal([255, 254, 253, 252, 251, 250, 249, 248]);
  });

  it('refuses bytes that are not aligned', () => {
    expect(() => new WireBuffer(new Uint8Array(16).subarray(4))).to.throw(RangeError);
  });
});
