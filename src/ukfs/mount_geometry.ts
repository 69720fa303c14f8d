/**
 * Finds out where in a file the flash lies, of which kind and size it is, and in which form: from
 * the options, the chip's description beside the image, and the content, in this order. What
 * decided is reported.
 */
import { jffs2_detect, type ImageBytes, type Jffs2Detection } from '../jffs2/detect.js';
import { jffs2_detect_nand, jffs2_page_hint, type NandDetection } from '../jffs2/detect_nand.js';
import { firstProgrammed } from '../jffs2/erased.js';
import type { chip_description } from '../mtd/chip_description.js';
import { without_oob } from '../mtd/nand_detect.js';
import type { nand_ecc_name } from '../mtd/nand_ecc.js';
import { nand_decode_id } from '../mtd/nand_ids.js';
import { dump_block_bytes, type nand_dump_layout } from '../mtd/nand_layout.js';
import { read_sidecar, sidecar_path } from '../mtd/sidecar.js';
import type { Rumpuser } from '../rumpuser/rumpuser.js';
import { MountError } from './mount_error.js';
import type { MountJffs2Options } from './mount_jffs2.js';

/** jffs2 refuses fewer erase blocks; a smaller image is shown with blank flash behind it. */
const BLOCKS_MIN = 5;
const ERASESIZE_DEFAULT = 65536;

/** What to open; names as in mtd_open_options. */
export interface Geometry {
  offset: number;
  erasesize: number;
  /** OOB not counted. */
  size: number;
  type?: 'nor' | 'nand';
  writesize?: number;
  oobsize?: number;
  ecc?: nand_ecc_name;
  layout?: nand_dump_layout;
  id?: readonly number[];
}

/** Pages of NAND, and how the file holds them. */
interface Pages {
  writesize: number;
  oobsize: number;
  ecc: nand_ecc_name;
  layout: nand_dump_layout;
  /** Null: still to be found out. */
  erasesize: number | null;
}

/** Looks at the file. What makes writing a risk is added to `doubts`. @throws MountError */
export function examine(
  given: MountJffs2Options,
  host: Rumpuser,
  report: string[],
  doubts: string[],
): { geometry: Geometry; detection: Jffs2Detection | null } {
  const id = given.id_bytes === undefined ? undefined : parseId(given.id_bytes);
  const options = id === undefined ? given : withId(given, id, report);
  const file = host.open(options.image, 'read');
  try {
    if (file.size() === 0 && options.size === undefined) {
      throw new MountError(
        'EINVAL',
        `${options.image} is empty: to make a blank flash of it, mount with size=, as size=16M`,
      );
    }
    const described = describedChip(options, host);
    if (described) {
      const { path, size, erasesize } = described;
      const { kind, writesize, oobsize } = described;
      const pages = kind === 'nand' ? `, NAND pages of ${writesize}+${oobsize}` : '';
      report.push(
        `${path} describes the flash: ${size} bytes in erase blocks of ${erasesize}${pages}`,
      );
    }
    const bytes: ImageBytes = {
      sizeBytes: file.size(),
      read: (buf, off, len, at) => file.read(buf, off, len, at),
    };
    const pages = nandPages(options, described, bytes, report, doubts);
    if (pages === null) return examineNor(options, described, bytes, report, doubts);
    const nand = examineNand(options, described, pages, bytes, report, doubts);
    return id === undefined ? nand : { ...nand, geometry: { ...nand.geometry, id } };
  } finally {
    file.close();
  }
}

/** "20a20015", also with spaces, colons or 0x. @throws MountError EINVAL */
function parseId(text: string): number[] {
  const digits = text.replaceAll(/0x|[\s:]/gi, '');
  if (!/^([0-9a-f]{2}){2,8}$/i.test(digits)) {
    refuse(`id_bytes=${text}: two to eight bytes in hex are needed, as 20a20015`);
  }
  return [...digits.matchAll(/../g)].map(([byte]) => Number.parseInt(byte, 16));
}

/** What the id says of the chip, under what the options say. @throws MountError EINVAL */
function withId(options: MountJffs2Options, id: number[], report: string[]): MountJffs2Options {
  const { name, size, erasesize, writesize, oobsize } = nand_decode_id(id);
  report.push(
    `id bytes: ${name}, ${size / erasesize} erase blocks of ${erasesize / 1024} KiB, ` +
      `pages of ${writesize}+${oobsize} bytes`,
  );
  return { chip: 'nand', erasesize, writesize, oobsize, ...options };
}

type Described = chip_description & { path: string };

/** What a chip's description beside the image says, if there is one. */
function describedChip(options: MountJffs2Options, host: Rumpuser): Described | null {
  if (options.sidecar === false) return null;
  const path = sidecar_path(options.image, options.offset ?? 0);
  const description = read_sidecar(host, path)?.snapshot?.description;
  return description ? { ...description, path } : null;
}

function examineNor(
  options: MountJffs2Options,
  described: Described | null,
  all: ImageBytes,
  report: string[],
  doubts: string[],
): { geometry: Geometry; detection: Jffs2Detection | null } {
  // Where the flash starts is known, it ends where it is said to; what follows is another's.
  const { offset: start, size: sizeGiven = Number.POSITIVE_INFINITY } = options;
  const end = start === undefined ? Number.POSITIVE_INFINITY : start + sizeGiven;
  const bytes = { ...all, sizeBytes: Math.min(all.sizeBytes, end) };
  const erasesizeGiven = options.erasesize ?? described?.erasesize;
  // With partitions, or a description, the file from its start is the chip.
  const fromStart = options.mtdparts !== undefined || described !== null;
  const offsetGiven = options.offset ?? (fromStart ? 0 : undefined);
  const known = {
    ...(offsetGiven !== undefined && { offset: offsetGiven }),
    ...(erasesizeGiven !== undefined && { erasesize: erasesizeGiven }),
  };
  const detection = jffs2_detect(bytes, known);
  tell(detection, options, bytes, options.offset ?? 0, report);
  if (detection && !detection.certain && erasesizeGiven === undefined) {
    doubts.push('the erase size is not certain; give erasesize= to write');
  }
  const offset = offsetGiven ?? detection?.offset ?? 0;
  const hint = options.chip === undefined && !described ? jffs2_page_hint(bytes, offset) : null;
  if (hint !== null) report.push(hint);
  const erasesize = erasesizeGiven ?? detection?.erasesize ?? ERASESIZE_DEFAULT;
  const rest = Math.max(0, bytes.sizeBytes - offset);
  const held = Math.ceil(rest / erasesize) * erasesize;
  const size = sizeOf(options, described, held, erasesize, doubts);
  const type = options.chip === undefined ? {} : { type: options.chip };
  return { geometry: { offset, erasesize, size, ...type }, detection };
}

function examineNand(
  options: MountJffs2Options,
  described: Described | null,
  pages: Pages,
  bytes: ImageBytes,
  report: string[],
  doubts: string[],
): { geometry: Geometry; detection: Jffs2Detection | null } {
  const { writesize, oobsize, ecc, layout } = pages;
  const offset = options.offset ?? 0;
  const data = without_oob(bytes, { writesize, oobsize: layout === 'data' ? 0 : oobsize }, offset);
  const erasesizeGiven = options.erasesize ?? described?.erasesize ?? pages.erasesize;
  const detection = jffs2_detect(data, {
    offset: 0,
    ...(erasesizeGiven !== null && { erasesize: erasesizeGiven }),
  });
  tell(detection, options, data, 0, report, pages.erasesize !== null);
  let erasesize = erasesizeGiven ?? detection?.erasesize ?? 0;
  if (erasesizeGiven === null && !detection?.certain) {
    erasesize = erasesizeOfPages(writesize);
    report.push(`erase size ${erasesize / 1024} KiB: the usual one of such pages`);
    if (detection) doubts.push('the erase size is not certain; give erasesize= to write');
  }
  if (erasesize % writesize !== 0) {
    throw new MountError(
      'EINVAL',
      `erase blocks of ${erasesize} bytes are no whole number of pages of ${writesize}`,
    );
  }
  const blockBytes = dump_block_bytes({ erasesize, writesize, oobsize }, layout);
  const held = Math.ceil((bytes.sizeBytes - offset) / blockBytes) * erasesize;
  const size = sizeOf(options, described, held, erasesize, doubts);
  const geometry = {
    type: 'nand',
    offset,
    erasesize,
    size,
    writesize,
    oobsize,
    ecc,
    layout,
  } as const;
  return { geometry, detection };
}

/** What was found, or that nothing was: then it must be blank. */
function tell(
  detection: Jffs2Detection | null,
  options: MountJffs2Options,
  bytes: ImageBytes,
  from: number,
  report: string[],
  erasesizeTold = false,
): void {
  if (detection !== null) {
    const news = (line: string): boolean => !erasesizeTold || !/^erase size .*: given$/.test(line);
    report.push(...detection.evidence.filter(news));
    return;
  }
  examineBlank(options, bytes, from);
  report.push('no node anywhere: a blank flash');
}

/** Bytes of the chip. @throws MountError EINVAL */
function sizeOf(
  options: MountJffs2Options,
  described: Described | null,
  held: number,
  erasesize: number,
  doubts: string[],
): number {
  const size = options.size ?? described?.size ?? held;
  if (size % erasesize !== 0) {
    throw new MountError(
      'EINVAL',
      `a flash of ${size} bytes has no whole number of erase blocks of ${erasesize}`,
    );
  }
  const small = size < BLOCKS_MIN * erasesize && options.mtdparts === undefined;
  if (options.size !== undefined || !small) return size;
  doubts.push(
    `the image has only ${size / erasesize} erase blocks, and jffs2 needs more to write; ` +
      `to make the flash larger, mount with size=${(BLOCKS_MIN + 3) * erasesize}` +
      (options.erasesize === undefined ? ` and erasesize=${erasesize}` : ''),
  );
  return BLOCKS_MIN * erasesize;
}

/** The pages of a NAND image; null: it is NOR. @throws MountError EINVAL */
function nandPages(
  options: MountJffs2Options,
  described: Described | null,
  bytes: ImageBytes,
  report: string[],
  doubts: string[],
): Pages | null {
  const { chip, writesize, oobsize, ecc, layout } = options;
  const asked = chip === 'nand' || [writesize, oobsize, ecc, layout].some((x) => x !== undefined);
  if (chip === 'nor') {
    if (described?.kind === 'nand') refuse(`chip=nor: ${described.path} describes NAND`);
    return null;
  }
  if (described !== null) {
    if (described.kind === 'nand') return describedPages(options, described);
    if (asked)
      refuse(`chip=nand: ${described.path} describes ${described.kind.toUpperCase()} flash`);
    return null;
  }
  const found = jffs2_detect_nand(bytes, options.offset ?? 0);
  if (!asked && found === null) return null;
  if (found !== null) report.push(...found.evidence);
  const pages = asked ? askedPages(options, found, bytes, report) : found!;
  if (pages.ecc === 'none' && ecc === undefined) {
    doubts.push('its ECC is not known, and what is written would have none; give ecc= to write');
  }
  return pages;
}

function refuse(message: string): never {
  throw new MountError('EINVAL', message);
}

function describedPages(options: MountJffs2Options, described: Described): Pages {
  const { writesize, oobsize, erasesize, ecc = 'hamming', layout = 'raw' } = described;
  return {
    writesize: options.writesize ?? writesize,
    oobsize: options.oobsize ?? oobsize,
    ecc: options.ecc ?? ecc,
    layout: options.layout ?? layout,
    erasesize,
  };
}

/** What was given counts, and what was found fills in. @throws MountError EINVAL */
function askedPages(
  options: MountJffs2Options,
  found: NandDetection | null,
  bytes: ImageBytes,
  report: string[],
): Pages {
  const writesize = options.writesize ?? found?.writesize;
  if (writesize === undefined) {
    refuse('the page size of the NAND flash cannot be told from the image; give writesize=');
  }
  if (!(writesize >= 256 && Number.isInteger(Math.log2(writesize)))) {
    refuse(`writesize=${writesize}: a page of NAND flash has 512, 2048 or 4096 bytes`);
  }
  const same = found?.writesize === writesize ? found : null;
  const oobsize = options.oobsize ?? same?.oobsize ?? oobsizeOfPages(writesize);
  const ecc = options.ecc ?? same?.ecc ?? 'hamming';
  const erasesize = same?.erasesize ?? null;
  const pages = { writesize, oobsize, ecc, erasesize };
  const layout = options.layout ?? same?.layout;
  if (layout !== undefined) return { ...pages, layout };
  const guess = options.erasesize ?? erasesizeOfPages(writesize);
  const sizes = { writesize, oobsize, erasesize: guess };
  const held = bytes.sizeBytes - (options.offset ?? 0);
  const raw = held % dump_block_bytes(sizes, 'raw') === 0;
  const byLayout = raw ? 'raw' : 'data';
  report.push(`layout ${byLayout}: by the size of the file`);
  return { ...pages, layout: byLayout };
}

/** What chips with such pages usually have. */
const oobsizeOfPages = (writesize: number): number => writesize / 32;
const erasesizeOfPages = (writesize: number): number =>
  writesize <= 512 ? 32 * writesize : 64 * writesize;

/** Without any node, only erased flash may be taken for a file system. */
function examineBlank(options: MountJffs2Options, bytes: ImageBytes, from: number): void {
  const buf = new Uint8Array(1 << 20);
  for (let at = from; at < bytes.sizeBytes; ) {
    const length = Math.min(bytes.read(buf, 0, buf.length, at), bytes.sizeBytes - at);
    if (length <= 0) return;
    const n = firstProgrammed(buf, 0, length);
    if (n < length) {
      throw new MountError(
        'EINVAL',
        `${options.image} is no JFFS2 image: it has no JFFS2 node, and is not blank either ` +
          `(byte 0x${(at + n).toString(16)} is 0x${buf[n]!.toString(16)}, not 0xff)`,
      );
    }
    at += length;
  }
}
