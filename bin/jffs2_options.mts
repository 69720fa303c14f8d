/** The words after -o that only jffs2 has. Data: help text and manual page are made from it. */
import { resolve } from 'node:path';
import type { MountOptionRow } from '../src/fuse/mount_options.js';

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 1 << 10, M: 1 << 20, G: 1 << 30 };

/** "131072", "0x20000", "128K", "128KiB", "16M" → bytes. @throws Error */
export function parseBytes(text: string): number {
  const match = /^(0x[0-9a-f]+|\d+)(?:([kmg])(?:i?b)?)?$/i.exec(text);
  if (match === null) throw new Error('expected bytes, as 131072, 0x20000, 128K or 16M');
  const bytes = Number(match[1]) * UNITS[(match[2] ?? '').toUpperCase()]!;
  if (!Number.isSafeInteger(bytes)) throw new Error('too large');
  return bytes;
}

/** jffs2 counts rp_size in KiB. */
function parseKiB(text: string): number {
  if (!/^\d+$/.test(text)) throw new Error('expected a number of KiB, as 64');
  return Number(text);
}

const oneOf =
  (...words: readonly string[]) =>
  (text: string): string => {
    if (!words.includes(text)) throw new Error(`expected one of ${words.join(', ')}`);
    return text;
  };

/** The server leaves the folder it was started in. */
function path(text: string): string {
  if (text === '') throw new Error('expected the name of a file');
  return resolve(text);
}

const MODES = ['none', 'priority', 'size', 'favourlzo'];
const CODECS = ['zlib', 'lzo', 'rtime', 'lzma', 'lzma_nosize', 'rubinmips', 'dynrubin'];

export const JFFS2_MOUNT_OPTIONS: readonly MountOptionRow[] = [
  {
    name: 'compr',
    value: 'NAME',
    fate: 'file system',
    parse: oneOf(...MODES, ...CODECS),
    meaning:
      `how new data are compressed, by a mode (${MODES.join(', ')}) ` +
      `or one codec (${CODECS.join(', ')})`,
  },
  {
    name: 'rp_size',
    value: 'KIB',
    fate: 'file system',
    parse: parseKiB,
    meaning: 'space that only root may use up; without the write-back cache',
  },
  {
    name: 'check',
    fate: 'file system',
    meaning:
      'when it is mounted and before it is unmounted, all that memory holds is checked against ' +
      'the medium, and the outcome told',
  },
  {
    name: 'erasesize',
    value: 'BYTES',
    fate: 'file system',
    parse: parseBytes,
    meaning: 'size of an erase block, instead of the one detected',
  },
  {
    name: 'endian',
    value: 'big|little',
    fate: 'file system',
    parse: oneOf('big', 'little'),
    meaning: 'byte order of the image, instead of the one detected',
  },
  {
    name: 'offset',
    value: 'BYTES',
    fate: 'file system',
    parse: parseBytes,
    meaning: 'where in the file the flash starts, instead of the place detected',
  },
  {
    name: 'size',
    value: 'BYTES',
    fate: 'file system',
    parse: parseBytes,
    meaning: 'size of the chip, OOB not counted; the image grows to it with erased flash',
  },
  {
    name: 'chip',
    value: 'nor|nand',
    fate: 'file system',
    parse: oneOf('nor', 'nand'),
    meaning: 'kind of flash, instead of the one detected; a dump without OOB counts as NOR',
  },
  {
    name: 'id_bytes',
    value: 'HEX',
    fate: 'file system',
    meaning: "NAND: the chip's id, as 20a20015, which tells block, page and OOB size",
  },
  {
    name: 'writesize',
    value: 'BYTES',
    fate: 'file system',
    parse: parseBytes,
    meaning: 'NAND: size of a page, instead of the one detected',
  },
  {
    name: 'oobsize',
    value: 'BYTES',
    fate: 'file system',
    parse: parseBytes,
    meaning: 'NAND: OOB bytes of a page, instead of those detected',
  },
  {
    name: 'ecc',
    value: 'hamming|none',
    fate: 'file system',
    parse: oneOf('hamming', 'none'),
    meaning: "NAND: ECC of the pages; hamming is Linux's software ECC",
  },
  {
    name: 'layout',
    value: 'raw|auto|data',
    fate: 'file system',
    parse: oneOf('raw', 'auto', 'data'),
    meaning: 'NAND: pages with OOB as on the chip, with autoplaced OOB, or without OOB',
  },
  {
    name: 'mtdparts',
    value: 'TEXT',
    fate: 'file system',
    meaning: "partitions of the chip, as on the kernel's command line; quote its commas",
  },
  {
    name: 'part',
    value: 'NAME',
    fate: 'file system',
    meaning: 'the partition to mount, by name or number',
  },
  {
    name: 'trace',
    value: 'FILE',
    fate: 'file system',
    parse: path,
    meaning: 'record what is done, for wear_lab; a new file, of JSON lines',
  },
];
