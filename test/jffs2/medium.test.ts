/**
 * The medium's structures, as literals: sizes, offsets, CRCs and the bytes of the reference
 * (jffs2.md §1, §4, §14), which other programs wrote.
 */
import { expect } from 'chai';
import { crc32_le } from '../../src/lump/crc32.js';
import * as medium from '../../src/jffs2/medium.js';
import {
  BIG_ENDIAN,
  decodeDeviceNumber,
  encodeDeviceNumber,
  LITTLE_ENDIAN,
  MEDIA_STRUCTS,
  PAD,
  type Endian,
  type MediaStruct,
} from '../../src/jffs2/medium.js';
import { jcrc, Nodes, S_IFREG } from './nodes.js';

const hex = (text: string): Uint8Array =>
  Uint8Array.from(text.replaceAll(' ', '').match(/../g)!, (byte) => Number.parseInt(byte, 16));
const ORDERS: readonly Endian[] = [LITTLE_ENDIAN, BIG_ENDIAN];

/** name: [size, field offsets in order]. */
const LAYOUTS: Readonly<Record<string, readonly [number, Readonly<Record<string, number>>]>> = {
  jffs2_unknown_node: [12, { magic: 0, nodetype: 2, totlen: 4, hdr_crc: 8 }],
  jffs2_raw_dirent: [
    40,
    {
      magic: 0,
      nodetype: 2,
      totlen: 4,
      hdr_crc: 8,
      pino: 12,
      version: 16,
      ino: 20,
      mctime: 24,
      nsize: 28,
      type: 29,
      unused: 30,
      node_crc: 32,
      name_crc: 36,
    },
  ],
  jffs2_raw_inode: [
    68,
    {
      magic: 0,
      nodetype: 2,
      totlen: 4,
      hdr_crc: 8,
      ino: 12,
      version: 16,
      mode: 20,
      uid: 24,
      gid: 26,
      isize: 28,
      atime: 32,
      mtime: 36,
      ctime: 40,
      offset: 44,
      csize: 48,
      dsize: 52,
      compr: 56,
      usercompr: 57,
      flags: 58,
      data_crc: 60,
      node_crc: 64,
    },
  ],
  jffs2_raw_xattr: [
    32,
    {
      magic: 0,
      nodetype: 2,
      totlen: 4,
      hdr_crc: 8,
      xid: 12,
      version: 16,
      xprefix: 20,
      name_len: 21,
      value_len: 22,
      data_crc: 24,
      node_crc: 28,
    },
  ],
  jffs2_raw_xref: [
    28,
    {
      magic: 0,
      nodetype: 2,
      totlen: 4,
      hdr_crc: 8,
      ino: 12,
      xid: 16,
      xseqno: 20,
      node_crc: 24,
    },
  ],
  jffs2_raw_summary: [
    32,
    {
      magic: 0,
      nodetype: 2,
      totlen: 4,
      hdr_crc: 8,
      sum_num: 12,
      cln_mkr: 16,
      padded: 20,
      sum_crc: 24,
      node_crc: 28,
    },
  ],
  jffs2_sum_inode_flash: [18, { nodetype: 0, inode: 2, version: 6, offset: 10, totlen: 14 }],
  jffs2_sum_dirent_flash: [
    24,
    {
      nodetype: 0,
      totlen: 2,
      offset: 6,
      pino: 10,
      version: 14,
      ino: 18,
      nsize: 22,
      type: 23,
    },
  ],
  jffs2_sum_xattr_flash: [18, { nodetype: 0, xid: 2, version: 6, offset: 10, totlen: 14 }],
  jffs2_sum_xref_flash: [6, { nodetype: 0, offset: 2 }],
  jffs2_sum_marker: [8, { offset: 0, magic: 4 }],
};

/** Field CRC → bytes that it covers. */
const CRC_RANGES: Readonly<Record<string, Readonly<Record<string, readonly [number, number]>>>> = {
  jffs2_raw_dirent: { hdr_crc: [0, 8], node_crc: [0, 32] },
  jffs2_raw_inode: { hdr_crc: [0, 8], node_crc: [0, 60] },
  jffs2_raw_xattr: { hdr_crc: [0, 8], node_crc: [0, 28] },
  jffs2_raw_xref: { hdr_crc: [0, 8], node_crc: [0, 24] },
  jffs2_raw_summary: { hdr_crc: [0, 8], node_crc: [0, 24] },
};

describe('jffs2: structures of the medium', () => {
  it('are all declared', () => {
    expect(MEDIA_STRUCTS.map(({ name }) => name)).to.deep.equal(Object.keys(LAYOUTS));
  });

  for (const struct of MEDIA_STRUCTS as readonly MediaStruct[]) {
    it(`${struct.name} has the size, offsets and CRC ranges of the reference`, () => {
      const [size, offsets] = LAYOUTS[struct.name]!;
      expect(struct.size).to.equal(size);
      expect(struct.offset).to.deep.equal(offsets);
      for (const [field, [from, to]] of Object.entries(CRC_RANGES[struct.name] ?? {})) {
        const range = struct.crc[field] as readonly [string, string];
        expect([offsets[range[0]], offsets[range[1]]], field).to.deep.equal([from, to]);
      }
    });
  }

  it('numbers and constants', () => {
    expect({
      magic: medium.JFFS2_MAGIC_BITMASK,
      old: medium.JFFS2_OLD_MAGIC_BITMASK,
      sum: medium.JFFS2_SUM_MAGIC,
      dirent: medium.JFFS2_NODETYPE_DIRENT,
      inode: medium.JFFS2_NODETYPE_INODE,
      cleanmarker: medium.JFFS2_NODETYPE_CLEANMARKER,
      padding: medium.JFFS2_NODETYPE_PADDING,
      summary: medium.JFFS2_NODETYPE_SUMMARY,
      xattr: medium.JFFS2_NODETYPE_XATTR,
      xref: medium.JFFS2_NODETYPE_XREF,
      name: medium.JFFS2_MAX_NAME_LEN,
      super: medium.JFFS2_SUPER_MAGIC,
      frame: medium.JFFS2_SUMMARY_FRAME_SIZE,
    }).to.deep.equal({
      magic: 0x1985,
      old: 0x1984,
      sum: 0x02851885,
      dirent: 0xe001,
      inode: 0xe002,
      cleanmarker: 0x2003,
      padding: 0x2004,
      summary: 0x2006,
      xattr: 0xe008,
      xref: 0xe009,
      name: 254,
      super: 0x72b6,
      frame: 40,
    });
    expect([0, 1, 4, 5, 0xfffffffc].map(PAD)).to.deep.equal([0, 4, 4, 8, 0xfffffffc]);
  });

  it('the CRC starts with 0 and is not inverted', () => {
    const of = (bytes: Uint8Array): string =>
      crc32_le(0, bytes, 0, bytes.length).toString(16).toUpperCase().padStart(8, '0');
    const ascii = (text: string): Uint8Array => Uint8Array.from(text, (ch) => ch.charCodeAt(0));
    expect(of(ascii(''))).to.equal('00000000');
    expect(of(ascii('123456789'))).to.equal('2DFD2D88');
    expect(of(ascii('hello'))).to.equal('F032519B');
    expect(of(hex('FFFFFFFF'))).to.equal('DEBB20E3');
    expect(of(new Uint8Array(1000))).to.equal('00000000');
    // And so does that of the tests' own nodes.
    expect(jcrc(ascii('123456789'))).to.equal(0x2dfd2d88);
  });

  it('integers in both orders, there and back', () => {
    const buf = new Uint8Array(8);
    for (const e of ORDERS) {
      for (const value of [0, 1, 0x1234, 0xff00, 0xffff]) {
        e.put16(buf, 1, value);
        expect(e.u16(buf, 1)).to.equal(value);
      }
      for (const value of [0, 1, 0x12345678, 0x80000000, 0xffffffff]) {
        e.put32(buf, 3, value);
        expect(e.u32(buf, 3)).to.equal(value);
      }
    }
    LITTLE_ENDIAN.put32(buf, 0, 0x01020304);
    expect([...buf.subarray(0, 4)]).to.deep.equal([4, 3, 2, 1]);
    expect(BIG_ENDIAN.u32(buf, 0)).to.equal(0x04030201);
  });

  it('device numbers: two bytes where they fit, four where not', () => {
    const buf = new Uint8Array(4);
    for (const [major, minor, little, big] of [
      [1, 3, '0301', '0103'],
      [255, 255, 'FFFF', 'FFFF'],
      [259, 70000, '70031111', '11110370'],
      [8, 300, '2C081000', '0010082C'],
    ] as const) {
      for (const [e, bytes] of [
        [LITTLE_ENDIAN, little],
        [BIG_ENDIAN, big],
      ] as const) {
        const length = encodeDeviceNumber(e, buf, 0, major, minor);
        expect([...buf.subarray(0, length)]).to.deep.equal([...hex(bytes)]);
        expect(decodeDeviceNumber(e, buf, 0, length)).to.deep.equal({ major, minor });
      }
    }
    for (const length of [0, 1, 3, 5]) {
      expect(decodeDeviceNumber(LITTLE_ENDIAN, buf, 0, length)).to.equal(null);
    }
  });
});

/** Bytes from mkfs.jffs2, sumtool and Linux. */
const VECTORS: readonly [name: string, e: Endian, bytes: string, fields: Record<string, number>][] =
  [
    [
      'jffs2_unknown_node',
      LITTLE_ENDIAN,
      '85190320 0C000000 B1B01EE4',
      { nodetype: 0x2003, totlen: 12 },
    ],
    [
      'jffs2_unknown_node',
      BIG_ENDIAN,
      '19852003 0000000C F060DC98',
      { nodetype: 0x2003, totlen: 12 },
    ],
    ['jffs2_unknown_node', LITTLE_ENDIAN, '85190320 10000000 9658D1FE', { totlen: 16 }],
    ['jffs2_unknown_node', BIG_ENDIAN, '19852003 00000010 E46180D7', { totlen: 16 }],
    ['jffs2_unknown_node', LITTLE_ENDIAN, '85190320 40000000 3457DC35', { totlen: 64 }],
    [
      'jffs2_unknown_node',
      LITTLE_ENDIAN,
      '85190420 44010000 EC9A79A6',
      { nodetype: 0x2004, totlen: 324 },
    ],
    [
      'jffs2_unknown_node',
      BIG_ENDIAN,
      '19852004 00000144 235CF86B',
      { nodetype: 0x2004, totlen: 324 },
    ],
    [
      'jffs2_raw_dirent',
      LITTLE_ENDIAN,
      '851901E0 2D000000 3A314D58 01000000 00000000 02000000 00CA9A3B 05080000 2478F0B2 A700C907' +
        ' 612E747874',
      {
        nodetype: 0xe001,
        totlen: 45,
        pino: 1,
        version: 0,
        ino: 2,
        mctime: 1_000_000_000,
        nsize: 5,
        type: 8,
        node_crc: 0xb2f07824,
        name_crc: 0x07c900a7,
      },
    ],
    [
      'jffs2_raw_inode',
      LITTLE_ENDIAN,
      '851902E0 49000000 C0239D6A 02000000 01000000 A4810000 00000000 05000000 00CA9A3B 00CA9A3B' +
        ' 00CA9A3B 00000000 05000000 05000000 00000000 9B5132F0 DB1872EF 68656C6C6F',
      {
        nodetype: 0xe002,
        totlen: 73,
        ino: 2,
        version: 1,
        mode: S_IFREG | 0o644,
        uid: 0,
        isize: 5,
        atime: 1_000_000_000,
        mtime: 1_000_000_000,
        ctime: 1_000_000_000,
        csize: 5,
        dsize: 5,
        compr: 0,
        data_crc: 0xf032519b,
        node_crc: 0xef7218db,
      },
    ],
    [
      'jffs2_raw_xattr',
      LITTLE_ENDIAN,
      '851908E0 28000000 C0909C48 01000000 01000000 01040100 ADF3E5DD 478F9C15 726F6F74 00 7A FFFF',
      { nodetype: 0xe008, totlen: 40, xid: 1, version: 1, xprefix: 1, name_len: 4, value_len: 1 },
    ],
    [
      'jffs2_raw_xref',
      LITTLE_ENDIAN,
      '851909E0 1C000000 932C89FC 01000000 01000000 02000000 7A8406FD',
      { nodetype: 0xe009, totlen: 28, ino: 1, xid: 1, xseqno: 2 },
    ],
    [
      'jffs2_raw_summary',
      LITTLE_ENDIAN,
      '85190620 EC1B0000 AB2CDF72 12000000 0C000000 00000000 00000000 00000000',
      { nodetype: 0x2006, totlen: 0x1bec, sum_num: 18, cln_mkr: 12, padded: 0 },
    ],
    [
      'jffs2_sum_dirent_flash',
      LITTLE_ENDIAN,
      '01E0 2D000000 0C000000 01000000 00000000 02000000 05 08',
      { nodetype: 0xe001, totlen: 45, offset: 12, pino: 1, version: 0, ino: 2, nsize: 5, type: 8 },
    ],
    [
      'jffs2_sum_inode_flash',
      LITTLE_ENDIAN,
      '02E0 02000000 01000000 3C000000 49000000',
      { nodetype: 0xe002, inode: 2, version: 1, offset: 60, totlen: 73 },
    ],
    ['jffs2_sum_marker', LITTLE_ENDIAN, '14040000 85188502', { offset: 0x414, magic: 0x02851885 }],
  ];

describe('jffs2: bytes that others wrote', () => {
  const byName = new Map(MEDIA_STRUCTS.map((struct) => [struct.name, struct as MediaStruct]));

  for (const [name, e, text, fields] of VECTORS) {
    it(`${name}, ${e.name} endian, ${text.slice(0, 26)}…: read, written, CRCs`, () => {
      const bytes = hex(text);
      const struct = byName.get(name)!;
      const read = (field: string, width: number): number => {
        const at = struct.offset[field]!;
        return width === 1 ? bytes[at]! : width === 2 ? e.u16(bytes, at) : e.u32(bytes, at);
      };
      const copy = bytes.slice().fill(0, 0, struct.size);
      for (const [field, width] of struct.fields) {
        if (struct.offset[field]! >= bytes.length) continue;
        const value = read(field, width);
        if (field in fields) expect(value, field).to.equal(fields[field]);
        const at = struct.offset[field]!;
        if (width === 1) copy[at] = value;
        else if (width === 2) e.put16(copy, at, value);
        else e.put32(copy, at, value);
      }
      expect([...copy]).to.deep.equal([...bytes]);
      for (const [field, range] of Object.entries(struct.crc)) {
        // The summary's body is not part of the vector.
        if (name === 'jffs2_raw_summary' && field !== 'hdr_crc') continue;
        if (typeof range === 'string') continue;
        const [from, to] = [struct.offset[range[0]]!, struct.offset[range[1]]!];
        expect(read(field, 4), field).to.equal(crc32_le(0, bytes, from, to - from));
      }
    });
  }

  it("the tests' own nodes are these bytes, too", () => {
    const little = new Nodes('little');
    const big = new Nodes('big');
    const time = 1_000_000_000;
    const made: [Uint8Array, string][] = [
      [little.cleanmarker(), '85190320 0C000000 B1B01EE4'],
      [big.cleanmarker(16), '19852003 00000010 E46180D7'],
      [big.padding(324).subarray(0, 12), '19852004 00000144 235CF86B'],
      [little.dirent({ pino: 1, version: 0, ino: 2, mctime: time, name: 'a.txt' }), VECTORS[7]![2]],
      [
        little.inode({ ino: 2, version: 1, atime: time, mtime: time, ctime: time }, 'hello'),
        VECTORS[8]![2],
      ],
      [little.xattr({ xid: 1, name: 'root', value: 'z' }), VECTORS[9]![2]],
      [little.xref(1, 1, 2), VECTORS[10]![2]],
    ];
    for (const [node, bytes] of made) expect([...node]).to.deep.equal([...hex(bytes)]);
  });
});
