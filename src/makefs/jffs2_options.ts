/** jffs2's options: one table for makefs -o and for mkfs.jffs2, and what they mean. */
import { jffs2_raw_inode } from '../jffs2/medium.js';
import type { jffs2_compr_mode } from '../jffs2/compr.js';
import type { MakeOption, MakeOptionValues } from './filesystem_type.js';
import { MakefsError } from './fsnode.js';
import type { NandSettings } from './jffs2_flash.js';
import { CLEANMARKER_BYTES_MIN } from './jffs2_image.js';
import type { CompressionSettings } from './jffs2_pages.js';

export const JFFS2_MAKE_OPTIONS: readonly MakeOption[] = [
  {
    name: 'eraseblock',
    short: 'e',
    value: 'SIZE',
    meaning: 'size of an erase block (64 KiB); below 4096 it counts KiB',
  },
  {
    name: 'pagesize',
    short: 's',
    value: 'SIZE',
    meaning: "most data in a node (4 KiB); no more than a page of the target's memory",
  },
  {
    name: 'pad',
    short: 'p',
    value: '[SIZE]',
    meaning: 'fill up to SIZE with erased flash, or to the end of the last erase block',
  },
  { name: 'cleanmarker', short: 'c', value: 'SIZE', meaning: 'size of the cleanmarkers (12)' },
  { name: 'no-cleanmarkers', short: 'n', meaning: 'no cleanmarkers, as for NAND flash' },
  {
    name: 'compression-mode',
    short: 'm',
    value: 'MODE',
    meaning: 'none, priority (the first that makes data smaller), size (the best), favourlzo',
  },
  { name: 'disable-compressor', short: 'x', value: 'NAME', many: true, meaning: 'do not use it' },
  { name: 'enable-compressor', short: 'X', value: 'NAME', many: true, meaning: 'use it' },
  {
    name: 'compressor-priority',
    short: 'y',
    value: 'PRIORITY:NAME',
    many: true,
    meaning: 'the higher, the earlier it is tried',
  },
  { name: 'test-compression', short: 't', meaning: 'decompress everything again and compare' },
  { name: 'portable-zlib', meaning: 'a slower zlib with the same bytes on every machine' },
  {
    name: 'devtable',
    short: 'D',
    value: 'FILE',
    many: true,
    meaning: 'a device table: owners, modes and devices that the tree has not',
  },
  { name: 'faketime', short: 'f', meaning: 'all times are 0' },
  { name: 'squash', short: 'q', meaning: 'all is owned by root, and only owners may write' },
  { name: 'squash-uids', short: 'U', meaning: 'all is owned by root' },
  { name: 'squash-perms', short: 'P', meaning: 'nobody but owners may write; no setuid, setgid' },
  { name: 'with-xattr', meaning: 'take over extended attributes' },
  { name: 'with-selinux', meaning: 'take over SELinux labels (security.*)' },
  { name: 'with-posix-acl', meaning: 'take over access control lists' },
  {
    name: 'incremental',
    short: 'i',
    value: 'FILE',
    meaning: 'write what, appended to the image FILE, adds this tree to it',
  },
  { name: 'summary', meaning: 'erase block summaries, with which mounting is faster' },
  {
    name: 'nand',
    value: 'PAGE+OOB',
    meaning: 'for NAND flash with pages and OOB of so many bytes, as 2048+64',
  },
  { name: 'nand-ecc', value: 'NAME', meaning: 'ECC in the OOB: hamming (default), none' },
  {
    name: 'nand-layout',
    value: 'NAME',
    meaning: 'raw (pages with OOB, for nandwrite -n -o), auto (for nandwrite -o -a), data (no OOB)',
  },
];

export interface Jffs2Settings {
  readonly eraseSizeBytes: number;
  readonly pageSizeBytes: number;
  /** 0 = none. */
  readonly cleanmarkerBytes: number;
  readonly pad: 'no' | 'block' | number;
  readonly summary: boolean;
  readonly nand: NandSettings | null;
  readonly compression: CompressionSettings;
  readonly portableZlib: boolean;
  readonly deviceTables: readonly string[];
  readonly fakeTime: boolean;
  readonly squashOwners: boolean;
  readonly squashPermissions: boolean;
  readonly xattrs: { readonly all: boolean; readonly security: boolean; readonly acl: boolean };
  readonly incremental: string | undefined;
}

const ERASE_SIZE_MIN = 8 << 10;
const ERASE_SIZE_MAX = 64 << 20;
const PAGE_SIZE_DEFAULT = 4096;
const PAGE_SIZE_MAX = 65536;
const MODES: readonly string[] = ['none', 'priority', 'size', 'favourlzo'];

/** "65536", "0200000", "0x10000", "64KiB", "64k", "1M" → bytes. @throws MakefsError */
export function parseSize(option: string, text: string): number {
  const match = /^(0x[0-9a-f]+|\d+)(?:([kmg])(?:i?b)?)?$/i.exec(text);
  const digits = match?.[1] ?? '';
  const base = /^0x/i.test(digits) ? 16 : /^0\d/.test(digits) ? 8 : 10;
  const number = Number.parseInt(digits, base);
  const unit = { k: 1 << 10, m: 1 << 20, g: 1 << 30 }[match?.[2]?.toLowerCase() ?? ''] ?? 1;
  const bytes = number * unit;
  if (match === null || (base === 8 && /[89]/.test(digits)) || !Number.isSafeInteger(bytes)) {
    throw new MakefsError(`${option} "${text}" is no size, as 65536, 0x10000 or 64KiB`);
  }
  return bytes;
}

/** @param note for what is taken otherwise than it was said. @throws MakefsError */
export function jffs2Settings(
  options: MakeOptionValues,
  note: (line: string) => void,
): Jffs2Settings {
  const text = (name: string): string | undefined => {
    const value = options[name];
    return typeof value === 'string' ? value : undefined;
  };
  const many = (name: string): readonly string[] => {
    const value = options[name];
    return typeof value === 'string' ? [value] : value === true ? [] : (value ?? []);
  };
  const given = (name: string): boolean => options[name] !== undefined;

  const eraseSizeBytes = parseEraseSize(text('eraseblock'), note);
  const pageSizeBytes = pageSize(text('pagesize'), note);
  const nand = nandSettings(text, !given('no-cleanmarkers'), eraseSizeBytes);
  const cleanmarkerBytes =
    given('no-cleanmarkers') || nand !== null
      ? 0
      : parseCleanmarker(text('cleanmarker'), eraseSizeBytes);
  if (pageSizeBytes + jffs2_raw_inode.size + cleanmarkerBytes > eraseSizeBytes) {
    throw new MakefsError(
      `nodes of ${pageSizeBytes} bytes do not fit an erase block of ${eraseSizeBytes}`,
    );
  }
  const mode = text('compression-mode') ?? 'priority';
  if (!MODES.includes(mode)) {
    throw new MakefsError(`compression-mode "${mode}" is none of ${MODES.join(', ')}`);
  }
  const padText = text('pad');
  const all = given('with-xattr');
  return {
    eraseSizeBytes,
    pageSizeBytes,
    cleanmarkerBytes,
    pad: !given('pad') ? 'no' : padText === undefined ? 'block' : parseSize('pad', padText),
    summary: given('summary'),
    nand,
    compression: {
      mode: mode as jffs2_compr_mode,
      enable: many('enable-compressor'),
      disable: many('disable-compressor'),
      priorities: many('compressor-priority').map(priority),
      test: given('test-compression'),
    },
    portableZlib: given('portable-zlib'),
    deviceTables: many('devtable'),
    fakeTime: given('faketime'),
    squashOwners: given('squash') || given('squash-uids'),
    squashPermissions: given('squash') || given('squash-perms'),
    xattrs: { all, security: given('with-selinux'), acl: given('with-posix-acl') },
    incremental: text('incremental'),
  };
}

/** @throws MakefsError */
export function parseEraseSize(text: string | undefined, note: (line: string) => void): number {
  let bytes = parseSize('eraseblock', text ?? '64KiB');
  // As mkfs.jffs2 has it: nobody means an erase block of 64 bytes.
  if (bytes < 4096) bytes *= 1024;
  if (bytes < ERASE_SIZE_MIN) {
    note(`an erase block of ${bytes} bytes is too small; taking ${ERASE_SIZE_MIN}`);
    bytes = ERASE_SIZE_MIN;
  }
  if (bytes > ERASE_SIZE_MAX || bytes % 4 !== 0) {
    throw new MakefsError(
      `an erase block of ${bytes} bytes: expected a multiple of 4 up to ${ERASE_SIZE_MAX}`,
    );
  }
  return bytes;
}

function pageSize(text: string | undefined, note: (line: string) => void): number {
  const bytes = text === undefined ? PAGE_SIZE_DEFAULT : parseSize('pagesize', text);
  const powerOfTwo = bytes > 0 && (bytes & (bytes - 1)) === 0;
  if (!powerOfTwo || bytes < 512 || bytes > PAGE_SIZE_MAX) {
    throw new MakefsError(
      `pagesize ${bytes}: expected a power of two from 512 to ${PAGE_SIZE_MAX}`,
    );
  }
  if (bytes > PAGE_SIZE_DEFAULT) {
    note(
      `nodes of ${bytes} bytes are for machines with pages of that size only: ` +
        'Linux elsewhere loses their data when it collects garbage',
    );
  }
  return bytes;
}

/** @throws MakefsError */
function nandSettings(
  text: (name: string) => string | undefined,
  cleanmarkers: boolean,
  eraseSizeBytes: number,
): NandSettings | null {
  const geometry = text('nand');
  const ecc = text('nand-ecc') ?? 'hamming';
  const layout = text('nand-layout') ?? 'raw';
  if (geometry === undefined) {
    if (text('nand-ecc') !== undefined || text('nand-layout') !== undefined) {
      throw new MakefsError('NAND flash needs its geometry, as nand=2048+64');
    }
    return null;
  }
  const match = /^(\d{3,5})\+(\d{1,4})$/.exec(geometry);
  if (match === null) throw new MakefsError(`nand=${geometry}: expected PAGE+OOB, as 2048+64`);
  const pageSizeBytes = Number(match[1]);
  const oobSizeBytes = Number(match[2]);
  const powerOfTwo = (pageSizeBytes & (pageSizeBytes - 1)) === 0;
  if (!powerOfTwo || pageSizeBytes < 256 || eraseSizeBytes % pageSizeBytes !== 0) {
    throw new MakefsError(
      `nand=${geometry}: pages have a power of two of bytes, and ${eraseSizeBytes} make a block`,
    );
  }
  if (ecc !== 'hamming' && ecc !== 'none') {
    throw new MakefsError(`nand-ecc=${ecc}: expected hamming or none`);
  }
  if (layout !== 'raw' && layout !== 'auto' && layout !== 'data') {
    throw new MakefsError(`nand-layout=${layout}: expected raw, auto or data`);
  }
  return { pageSizeBytes, oobSizeBytes, ecc, layout, cleanmarkers };
}

/** @throws MakefsError */
export function parseCleanmarker(text: string | undefined, eraseSizeBytes: number): number {
  const bytes = text === undefined ? CLEANMARKER_BYTES_MIN : parseSize('cleanmarker', text);
  if (bytes < CLEANMARKER_BYTES_MIN || bytes >= eraseSizeBytes) {
    throw new MakefsError(
      `a cleanmarker of ${bytes} bytes: expected ${CLEANMARKER_BYTES_MIN} at least, and less ` +
        'than an erase block',
    );
  }
  return bytes;
}

function priority(text: string): readonly [string, number] {
  const match = /^(\d{1,6}):(\w+)$/.exec(text);
  if (match === null) throw new MakefsError(`compressor-priority "${text}": expected N:NAME`);
  return [match[2]!, Number(match[1])];
}
