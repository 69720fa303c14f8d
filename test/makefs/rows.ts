/** Images of one source folder with every option, and what must be found in each. */
import { lchownSync, lstatSync, lutimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MakeOptionValues } from '../../src/makefs/filesystem_type.js';
import { makeTree, type SourceTreeAbilities } from '../images/source_tree.js';
import type { Tree, TreeEntry } from '../images/tree.js';

export interface MakeRow {
  readonly name: string;
  readonly byteOrder: 'le' | 'be';
  readonly eraseKib: number;
  readonly options: MakeOptionValues;
  readonly nand?: { readonly pageSizeBytes: number; readonly oobSizeBytes: number };
}

const SMALL_PAGE = { pageSizeBytes: 512, oobSizeBytes: 16 };
const LARGE_PAGE_CHIP = { eraseKib: 128, nand: { pageSizeBytes: 2048, oobSizeBytes: 64 } };

export const MAKE_ROWS: readonly MakeRow[] = [
  row('zlib', {}),
  row('zlib, big-endian', {}, { byteOrder: 'be' }),
  row('erase blocks of 8 KiB', {}, { eraseKib: 8 }),
  row('erase blocks of 256 KiB, big-endian', {}, { eraseKib: 256, byteOrder: 'be' }),
  row('lzo', { 'enable-compressor': ['lzo'], 'test-compression': true }),
  row('rtime', { 'disable-compressor': ['zlib'] }),
  row('smallest of all codecs', { 'compression-mode': 'size', 'enable-compressor': ['lzo'] }),
  row('favourlzo', { 'compression-mode': 'favourlzo', 'enable-compressor': ['lzo'] }),
  row('uncompressed', { 'compression-mode': 'none' }),
  row('without cleanmarkers', { 'no-cleanmarkers': true }),
  row('cleanmarkers of 62 bytes', { cleanmarker: '62' }),
  row('padded to the block', { pad: true }),
  row('padded to 1 MiB', { pad: '1MiB' }),
  row('nodes of 1024 bytes', { pagesize: '1024' }),
  row('summary', { summary: true }),
  row('summary, big-endian, 16 KiB', { summary: true }, { byteOrder: 'be', eraseKib: 16 }),
  row('summary without cleanmarkers', { summary: true, 'no-cleanmarkers': true, pad: true }),
  row(
    'summary, 8 KiB, uncompressed',
    { summary: true, 'compression-mode': 'none' },
    { eraseKib: 8 },
  ),
  row('xattrs', { 'with-xattr': true }),
  row('xattrs, summary, big-endian', { 'with-xattr': true, summary: true }, { byteOrder: 'be' }),
  row('access lists', { 'with-posix-acl': true }),
  row('security labels', { 'with-selinux': true }),
  row('squashed', { squash: true }),
  row('squashed owners', { 'squash-uids': true }),
  row('squashed permissions', { 'squash-perms': true }),
  row('without times', { faketime: true }),
  row('NAND 512+16', { nand: '512+16', pad: true }, { eraseKib: 16, nand: SMALL_PAGE }),
  row(
    'NAND 512+16, summary, big-endian',
    { nand: '512+16', summary: true, pad: '1MiB' },
    { eraseKib: 16, nand: SMALL_PAGE, byteOrder: 'be' },
  ),
  row('NAND 2048+64', { nand: '2048+64', 'enable-compressor': ['lzo'] }, LARGE_PAGE_CHIP),
  row('NAND 2048+64, summary', { nand: '2048+64', summary: true, pad: '1MiB' }, LARGE_PAGE_CHIP),
  row(
    'NAND 2048+64 without cleanmarkers',
    { nand: '2048+64', 'no-cleanmarkers': true },
    LARGE_PAGE_CHIP,
  ),
];

function row(name: string, options: MakeOptionValues, more: Partial<MakeRow> = {}): MakeRow {
  const eraseKib = more.eraseKib ?? 64;
  const all = { eraseblock: `${eraseKib}KiB`, ...options };
  return { name, byteOrder: 'le', ...more, eraseKib, options: all };
}

/** The folder of test/images, with owners that jffs2 can hold and zeros at every place. */
export function makeSource(folder: string): SourceTreeAbilities {
  const abilities = makeTree(folder);
  const file = (name: string, bytes: Uint8Array): void => {
    writeFileSync(join(folder, name), bytes);
    lutimesSync(join(folder, name), 1_500_000_000, 1_500_000_000);
  };
  const holes = Buffer.alloc(40_000);
  holes.write('a page of its own', 8192);
  holes.write('the last bytes', 39_980);
  file('holes', holes);
  file('hole at the end', Buffer.concat([Buffer.from('start'), Buffer.alloc(20_000)]));
  if (abilities.root) {
    lchownSync(join(folder, 'text.4096'), 65_535, 65_535);
    // What chown did to the times is undone.
    const { mtimeMs } = lstatSync(join(folder, 'text.4096'));
    lutimesSync(join(folder, 'text.4096'), mtimeMs / 1000, mtimeMs / 1000);
  }
  lutimesSync(folder, 1_400_000_000, 1_400_000_000);
  return abilities;
}

const KEPT: readonly (readonly [option: string, names: RegExp])[] = [
  ['with-xattr', /^(user|trusted|security)\.|^system\.posix_acl_(access|default)$/],
  ['with-posix-acl', /^system\.posix_acl_(access|default)$/],
  ['with-selinux', /^security\./],
];

/** What must be found in a row's image of a folder, whose own tree `source` is. */
export function expectedTree(source: Tree, row: MakeRow): Tree {
  return source.map((entry) => expectedEntry(entry, row.options));
}

function expectedEntry(entry: TreeEntry, options: MakeOptionValues): TreeEntry {
  const { xattrs, ...facts } = entry;
  const given = (name: string): boolean => options[name] !== undefined;
  const kept = Object.entries(xattrs ?? {}).filter(([name]) =>
    KEPT.some(([option, names]) => given(option) && names.test(name)),
  );
  const owners = given('squash') || given('squash-uids');
  const permissions = given('squash') || given('squash-perms');
  const time = given('faketime') ? 0 : facts.mtime;
  return {
    ...facts,
    mode: permissions && facts.type !== 'symlink' ? facts.mode & ~0o6022 : facts.mode,
    uid: owners ? 0 : facts.uid,
    gid: owners ? 0 : facts.gid,
    mtime: time,
    ctime: time,
    // On jffs2 the root counts itself once more.
    nlink: facts.nlink + (facts.path === '.' ? 1 : 0),
    ...(kept.length > 0 ? { xattrs: Object.fromEntries(kept) } : {}),
  };
}
