/**
 * The description of a chip as it is kept beside the image: what it is, and how worn it is. One
 * line of JSON:
 *
 *     {"format":"lump-chip","version":1,"kind":"nor","name":"flash.bin","size":262144,
 *      "erasesize":65536,"writesize":1,"oobsize":0,"bytesProgrammed":0,"bytesRead":0,
 *      "eraseCount":[0,0,0,0],"programCount":[0,0,0,0],"readCount":[0,0,0,0]}
 *
 * (on one line); of NAND also "ecc" and "layout", and
 * "id" if it is known. Sizes are in bytes; the counters have one number
 * per erase block.
 */
import type { nand_ecc_name } from './nand_ecc.js';
import type { nand_dump_layout } from './nand_layout.js';
import { wear_counters } from './wear.js';

/** Kinds of chips that can be made. */
export type chip_kind = 'nor' | 'ram' | 'nand';

/** What a chip is, as its sidecar keeps it. Bytes. */
export interface chip_description {
  readonly kind: chip_kind;
  readonly name: string;
  readonly size: number;
  readonly erasesize: number;
  readonly writesize: number;
  readonly oobsize: number;
  /** Of NAND chips. */
  readonly ecc?: nand_ecc_name;
  /** How the image holds its pages. */
  readonly layout?: nand_dump_layout;
  /** Its id bytes, if they are known. */
  readonly id?: readonly number[];
}

const FORMAT = 'lump-chip';
const VERSION = 1;
const KINDS: readonly string[] = ['nor', 'ram', 'nand'] satisfies chip_kind[];
const ECCS: readonly unknown[] = ['hamming', 'none'] satisfies nand_ecc_name[];
const LAYOUTS: readonly unknown[] = ['raw', 'auto', 'data'] satisfies nand_dump_layout[];

/** Made by a later version of this program: neither understood nor damaged. */
export class newer_description extends Error {}

/** @returns the line, with its newline. */
export function encode_snapshot(description: chip_description, wear: wear_counters): string {
  const line = JSON.stringify({
    format: FORMAT,
    version: VERSION,
    ...description,
    bytesProgrammed: wear.bytesProgrammed,
    bytesRead: wear.bytesRead,
    eraseCount: Array.from(wear.eraseCount),
    programCount: Array.from(wear.programCount),
    readCount: Array.from(wear.readCount),
  });
  return `${line}\n`;
}

export interface snapshot {
  readonly description: chip_description;
  readonly wear: wear_counters;
}

/**
 * @param value what JSON.parse made of the line.
 * @returns null when it is no description, or one that contradicts itself.
 * @throws newer_description
 */
export function decode_snapshot(value: unknown): snapshot | null {
  if (!is_record(value) || value.format !== FORMAT) return null;
  if (is_count(value.version) && value.version > VERSION) throw new newer_description();
  const { kind, name, size, erasesize, writesize, oobsize, ecc, layout, id } = value;
  if (typeof kind !== 'string' || !KINDS.includes(kind) || typeof name !== 'string') return null;
  if (!is_count(size) || !is_count(erasesize) || !is_count(writesize) || !is_count(oobsize)) {
    return null;
  }
  if (kind === 'nand' && !(ECCS.includes(ecc) && LAYOUTS.includes(layout))) return null;
  if (id !== undefined && !is_counts(id)) return null;
  const blocks = size / erasesize;
  if (!(blocks >= 1) || !Number.isInteger(blocks)) return null;
  const { bytesProgrammed, bytesRead, eraseCount, programCount, readCount } = value;
  if (!is_count(bytesProgrammed) || !is_count(bytesRead)) return null;
  const wear = new wear_counters(blocks);
  for (const [from, to] of [
    [eraseCount, wear.eraseCount],
    [programCount, wear.programCount],
    [readCount, wear.readCount],
  ] as const) {
    if (!is_counts(from) || from.length !== blocks) return null;
    to.set(from);
  }
  wear.bytesProgrammed = bytesProgrammed;
  wear.bytesRead = bytesRead;
  const description = {
    kind: kind as chip_kind,
    name,
    size,
    erasesize,
    writesize,
    oobsize,
    ...(kind === 'nand' && { ecc: ecc as nand_ecc_name, layout: layout as nand_dump_layout }),
    ...(id !== undefined && { id }),
  };
  return { description, wear };
}

export function is_record(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function is_count(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

export function is_counts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(is_count);
}
