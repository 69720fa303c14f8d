/**
 * The tables of SPEC.md, made from the declarations that the code itself uses. In the document each
 * stands between two comments, <!-- table: NAME --> and <!-- end -->; that is replaced.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as medium from '../src/jffs2/medium.js';
import { linux_to_netbsd_errno } from '../src/l2p/errno.js';
import { type ErrnoCode, LINUX_ERRNO } from '../src/lump/errno.js';
import { LUMP_ABI_VERSION } from '../src/lump/module.js';
import { encode_snapshot } from '../src/mtd/chip_description.js';
import { NAND_PAGE_SIZES } from '../src/mtd/nand_detect.js';
import { hamming_ecc } from '../src/mtd/nand_ecc.js';
import { nand_ooblayout_of } from '../src/mtd/nand_oob.js';
import { wear_counters } from '../src/mtd/wear.js';
import { netbsdErrnoName } from '../src/puffs/errno.js';
import { RUMPUSER_VERSION } from '../src/rumpuser/rumpuser.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

const hex = (value: number, digits: number): string =>
  `0x${value.toString(16).padStart(digits, '0')}`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---|').join('')}`, ...rows.map(line)].join('\n');
}

/** Constants of medium.ts whose names start with `prefix`, by number. */
function constants(prefix: string, title: string, digits: number): string {
  const rows = Object.entries(medium)
    .filter((entry): entry is [string, number] => entry[0].startsWith(prefix))
    .filter(([, value]) => typeof value === 'number')
    .sort(([, a], [, b]) => a - b)
    .map(([name, value]) => [digits > 0 ? hex(value, digits) : String(value), `\`${name}\``]);
  return table([title, 'name'], rows);
}

// ---- structures ---------------------------------------------------------------------------------

function structure(struct: medium.MediaStruct): string {
  const offset = struct.offset as Readonly<Record<string, number>>;
  const rows = struct.fields.map(([name, bytes, meaning]) => {
    const range = struct.crc[name];
    const isSaid = range === undefined || meaning.startsWith('CRC ');
    const covered = isSaid ? '' : `CRC of ${crcRange(range, offset)}`;
    const words = [meaning, covered].filter((text) => text !== '').join('; ');
    return [String(offset[name]), String(bytes), `\`${name}\``, words];
  });
  const head = `### \`${struct.name}\`, ${struct.size} bytes`;
  return `${head}\n\n${table(['offset', 'bytes', 'field', 'meaning'], rows)}`;
}

function crcRange(
  range: readonly [string, string] | string,
  offset: Readonly<Record<string, number>>,
): string {
  if (typeof range === 'string') return range;
  const [from, to] = range;
  return `bytes ${offset[from]}–${offset[to]! - 1}`;
}

// ---- the sidecar --------------------------------------------------------------------------------

/** A new chip of four erase blocks. */
function sidecarExample(): string {
  const description = {
    kind: 'nor',
    name: 'flash',
    size: 262144,
    erasesize: 65536,
    writesize: 1,
    oobsize: 0,
  } as const;
  const line = encode_snapshot(description, new wear_counters(4)).trimEnd();
  const cut = line.indexOf('"bytesProgrammed"');
  return `\`\`\`\n${line.slice(0, cut)}\n${line.slice(cut)}\n\`\`\``;
}

// ---- NAND ---------------------------------------------------------------------------------------

/** "0–3, 6, 7" */
function ranges(positions: readonly number[]): string {
  const words: string[] = [];
  for (let i = 0; i < positions.length; ) {
    let end = i;
    while (positions[end + 1] === positions[end]! + 1) end++;
    words.push(end > i ? `${positions[i]}–${positions[end]}` : `${positions[i]}`);
    i = end + 1;
  }
  return words.join(', ');
}

function ooblayouts(): string {
  const rows = NAND_PAGE_SIZES.toSorted(
    (a, b) => a.writesize - b.writesize || a.oobsize - b.oobsize,
  ).flatMap(({ writesize, oobsize }) => {
    const layout = nand_ooblayout_of(writesize, oobsize, hamming_ecc);
    if (layout === null) return [];
    const { ecc, free, badblockpos } = layout;
    return [[`${writesize}+${oobsize}`, ranges(ecc), ranges(free), String(badblockpos)]];
  });
  return table(['page', 'ECC', 'free', 'mark of a bad block'], rows);
}

// ---- the waist ----------------------------------------------------------------------------------

/** The methods of puffs_ops with their comments, read from the source. */
function operations(): string {
  const source = readFileSync(`${root}src/puffs/puffs.ts`, 'utf8');
  const start = source.indexOf('export interface puffs_ops {');
  const body = source.slice(start, source.indexOf('\n}', start));
  const pattern = /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?^ {2}(\w+)\(([^)]*)\): number;/gm;
  const rows = [...body.matchAll(pattern)].map(([, comment, name, args]) => {
    const flat = args!.replace(/\{[^}]*\}/g, '');
    const names = [...flat.matchAll(/(\w+)\s*:/g)].map(([, argument]) => argument);
    return [`\`${name}(${names.join(', ')})\``, commentText(comment ?? '')];
  });
  return table(['operation', 'what and which errors'], rows);
}

const commentText = (comment: string): string =>
  comment
    .replace(/^\s*\*/gm, ' ')
    .replaceAll('@returns', 'Answers')
    .replace(/\s+/g, ' ')
    .trim();

function errnos(): string {
  const rows: string[][] = [];
  for (const [code, linux] of Object.entries(LINUX_ERRNO) as [ErrnoCode, number][]) {
    const netbsd = netbsdNumber(linux);
    if (netbsd === null) continue;
    const name = netbsdErrnoName(netbsd)!;
    // Up to 34 both systems count alike.
    if (netbsd === linux && name === code) continue;
    rows.push([`\`${code}\``, String(linux), `\`${name}\``, String(netbsd)]);
  }
  rows.sort((a, b) => Number(a[1]) - Number(b[1]));
  return table(['Linux', 'number', 'NetBSD', 'number'], rows);
}

/** Null for what no file system answers. */
function netbsdNumber(linux: number): number | null {
  try {
    return linux_to_netbsd_errno(linux);
  } catch {
    return null;
  }
}

// ---- the document -------------------------------------------------------------------------------

const TABLES: Readonly<Record<string, () => string>> = {
  'node types': () => constants('JFFS2_NODETYPE_', 'nodetype', 4),
  features: () => constants('JFFS2_FEATURE_', 'bits 0xC000', 4),
  codecs: () => constants('JFFS2_COMPR_', '`compr`', 0),
  prefixes: () => constants('JFFS2_XPREFIX_', '`xprefix`', 0),
  structures: () => medium.MEDIA_STRUCTS.map(structure).join('\n\n'),
  sidecar: sidecarExample,
  ooblayouts,
  operations,
  errnos,
  versions: () =>
    table(
      ['interface', 'version'],
      [
        ['`RUMPUSER_VERSION` (`src/rumpuser/rumpuser.ts`)', String(RUMPUSER_VERSION)],
        ['`LUMP_ABI_VERSION` (`src/lump/module.ts`)', String(LUMP_ABI_VERSION)],
      ],
    ),
};

/** The document with its tables made anew. @throws Error for a table that is not known. */
export function renderSpec(document: string): string {
  return document.replace(/<!-- table: ([\w ]+) -->[\s\S]*?<!-- end -->/g, (_, name: string) => {
    const make = TABLES[name];
    if (make === undefined) throw new Error(`SPEC.md wants the table "${name}"`);
    return `<!-- table: ${name} -->\n\n${make()}\n\n<!-- end -->`;
  });
}
