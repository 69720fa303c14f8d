/**
 * What a NAND chip's id bytes say of its geometry, as Linux decodes them: maker, device, and for
 * newer chips page, OOB and block size in the fourth byte. The default chip of nandsim is 20 33.
 *
 * Source: reference JFFS2 engineering notes, 13.4 and 13.6. What Linux 6.1 makes of ids under
 * nandsim, and where it puts marks of bad blocks, is asked in test/kernel/nand.ktest.ts.
 *
 * MLC chips of Samsung and Hynix with six id bytes pack their fourth byte otherwise; jffs2 refuses
 * MLC, and they are not decoded.
 */
import { Errno } from '../lump/errno.js';

/** What the bytes of READ ID tell of a chip. Bytes. */
export interface nand_geometry {
  /** "Samsung NAND 128 MiB", for a person. */
  readonly name: string;
  /** OOB not counted. */
  readonly size: number;
  readonly erasesize: number;
  readonly writesize: number;
  readonly oobsize: number;
  readonly busWidth: 8 | 16;
  /** Levels of a cell: 2 for SLC. */
  readonly cellLevels: number;
  /** Pages of a block in which a bad block is marked; -1: the last one. */
  readonly badblockPages: readonly number[];
}

const MAKERS: Readonly<Record<number, string>> = {
  0x01: 'AMD/Spansion',
  0x04: 'Fujitsu',
  0x07: 'Renesas',
  0x20: 'ST Micro',
  0x2c: 'Micron',
  0x8f: 'National',
  0x92: 'Eon',
  0x98: 'Toshiba',
  0xad: 'Hynix',
  0xc2: 'Macronix',
  0xc8: 'ESMT',
  0xec: 'Samsung',
  0xef: 'Winbond',
};

/** Device id → MiB of chips with pages of 512+16 bytes, and the width of the bus. */
const LEGACY = table([
  [8, 4, 0x6b, 0xe3, 0xe5],
  [8, 8, 0xd6, 0xe6],
  [8, 16, 0x33, 0x73],
  [16, 16, 0x43, 0x53],
  [8, 32, 0x35, 0x75],
  [16, 32, 0x45, 0x55],
  [8, 64, 0x36, 0x76],
  [16, 64, 0x46, 0x56],
  [8, 128, 0x78, 0x39, 0x79],
  [16, 128, 0x72, 0x49, 0x74, 0x59],
  [8, 256, 0x71],
]);
/** The same of chips whose fourth id byte tells the rest. */
const EXTENDED = table([
  [8, 64, 0xa2, 0xa0, 0xf2, 0xd0, 0xf0],
  [16, 64, 0xb2, 0xb0, 0xc2, 0xc0],
  [8, 128, 0xa1, 0xf1, 0xd1],
  [16, 128, 0xb1, 0xc1, 0xad],
  [8, 256, 0xaa, 0xda],
  [16, 256, 0xba, 0xca],
  [8, 512, 0xac, 0xdc],
  [16, 512, 0xbc, 0xcc],
  [8, 1024, 0xa3, 0xd3],
  [16, 1024, 0xb3, 0xc3],
  [8, 2048, 0xa5, 0xd5],
  [8, 4096, 0xa7, 0xd7],
  [8, 8192, 0xae, 0xde],
  [8, 16384, 0x1a, 0x3a],
  [8, 32768, 0x1c, 0x3c],
  [8, 65536, 0x1e, 0x3e],
]);

/**
 * Chips that Linux knows by their whole id, whatever the fourth byte says: the id's first bytes,
 * MiB, and bytes of an erase block, a page and its OOB. Software Hamming has no layout for OOB of
 * 224 bytes and more: such chips want stronger codes.
 */
const WHOLE = [
  ['98d1901576140100', 128, 131072, 2048, 64],
  ['98dc902676150108', 512, 262144, 4096, 224],
  ['98dc902676160800', 512, 262144, 4096, 256],
  ['98d3902676150208', 1024, 262144, 4096, 232],
  ['98dc911576', 512, 131072, 2048, 128],
  ['98d39126761502', 1024, 262144, 4096, 256],
] as const;

type device = { readonly busWidth: 8 | 16; readonly mib: number };

function table(
  rows: readonly (readonly [busWidth: 8 | 16, mib: number, ...ids: number[]])[],
): ReadonlyMap<number, device> {
  return new Map(
    rows.flatMap(([busWidth, mib, ...ids]) => ids.map((id) => [id, { busWidth, mib }] as const)),
  );
}

const MIB = 1 << 20;

/**
 * @param id two bytes or more, as the chip answers READ ID.
 * @throws EINVAL a device that is not in the table, or whose id is too short.
 */
export function nand_decode_id(id: readonly number[]): nand_geometry {
  const [maker = 0, device = 0] = id;
  const text = id.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const legacy = LEGACY.get(device);
  const extended = EXTENDED.get(device);
  const chip = (mib: number) => ({
    name: `${MAKERS[maker] ?? 'unknown maker'} NAND ${mib} MiB`,
    size: mib * MIB,
    cellLevels: 2,
    badblockPages: badblockPages(maker),
  });
  if (legacy !== undefined) {
    return {
      ...chip(legacy.mib),
      erasesize: (legacy.mib <= 8 ? 8 : 16) * 1024,
      writesize: 512,
      oobsize: 16,
      busWidth: legacy.busWidth,
    };
  }
  const hex = text.replaceAll(' ', '');
  const whole = WHOLE.find(([start]) => hex.startsWith(start));
  if (whole !== undefined) {
    const [, mib, erasesize, writesize, oobsize] = whole;
    return { ...chip(mib), erasesize, writesize, oobsize, busWidth: 8 };
  }
  const fourth = id[3];
  if (extended === undefined || fourth === undefined) {
    const why = extended === undefined ? 'no such device is known' : 'four bytes are needed';
    throw new Errno('EINVAL', `NAND id ${text}: ${why}`);
  }
  const cellLevels = 2 << ((id[2]! >> 2) & 3);
  if (cellLevels > 2 && id.length >= 6 && (maker === 0xec || maker === 0xad)) {
    throw new Errno('EINVAL', `NAND id ${text}: an MLC chip, whose id is not decoded`);
  }
  const writesize = 1024 << (fourth & 3);
  let oobsize = ((8 << ((fourth >> 2) & 1)) * writesize) / 512;
  // Toshiba's SLC chips of 24 nm have twice the OOB that their fourth byte says.
  const small = id.length >= 6 && (id[5]! & 7) === 6 && (id[4]! & 0x80) === 0;
  if (maker === 0x98 && cellLevels === 2 && small) oobsize = writesize / 16;
  return {
    ...chip(extended.mib),
    erasesize: (64 * 1024) << ((fourth >> 4) & 3),
    writesize,
    oobsize,
    busWidth: extended.busWidth,
    cellLevels,
  };
}

function badblockPages(maker: number): readonly number[] {
  if ([0xec, 0xad, 0x98, 0xc2, 0x2c].includes(maker)) return [0, 1];
  return [0x01, 0xc8].includes(maker) ? [0, 1, -1] : [0];
}
