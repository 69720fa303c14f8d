/**
 * Files of what was done elsewhere, to be done again to a simulated flash: traces recorded from a
 * mount (`lump_jffs2 -o trace=FILE`, src/puffs/trace.ts), the text that blkparse(1) prints, and
 * DiskSim's ASCII traces. Which one a file is, its first lines tell.
 */
import { type TraceOperation, TRACE_ROOT } from './replay.js';
import { MountTrace } from './trace_mount.js';
import { type Fail, type Reader, Script, TraceError } from './trace_script.js';

/**
 * @param text of the whole file
 * @param name for messages
 * @throws TraceError
 */
export function parseTrace(text: string, name: string): TraceOperation[] {
  const script = new Script();
  let reader: Reader | undefined;
  let n = 0;
  const fail: Fail = (why) => {
    throw new TraceError(`${name}: line ${n}: ${why}`);
  };
  for (let from = 0; from < text.length; ) {
    const newline = text.indexOf('\n', from);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(from, end).trim();
    from = end + 1;
    n++;
    if (line === '' || line.startsWith('#')) continue;
    reader ??= readerFor(line, script, fail);
    reader.line(line, fail);
  }
  if (!script.isOfUse)
    throw new TraceError(`${name}: nothing in it writes, reads or changes anything`);
  return script.operations;
}

function readerFor(line: string, script: Script, fail: Fail): Reader {
  if (line.startsWith('{')) return new MountTrace(script, line, fail);
  if (BLKPARSE.test(line)) return new BlkparseTrace(script);
  if (DISKSIM.test(line)) return new DiskSimTrace(script);
  return fail(
    'is of no known trace: neither JSON of lump_jffs2 -o trace=, nor blkparse (as "8,0 1 7 ' +
      '0.000123 512 Q WS 2048 + 8 [sqlite]"), nor DiskSim (as "0.123 0 2048 8 0")',
  );
}

/** File number of the one file that stands for a traced disk. */
const DISK = 1;
const SECTOR = 512;
/** Places are renumbered in pieces of this. */
const PIECE = 4096;
/** 4 TiB of touched pieces; a trace of more is broken. */
const PIECES_MAX = 2 ** 30;

/**
 * A disk as a file. Traced disks are larger than any flash: their pieces are numbered in the order
 * in which they are first written to, so that the file is as large as what was written to, and what
 * lay side by side and was written together lies side by side.
 */
class Disk {
  private readonly places = new Map<number, number>();
  private readonly script: Script;

  constructor(script: Script) {
    this.script = script;
    const [type, name] = ['file', 'disk'] as const;
    script.add({ op: 'found', dir: TRACE_ROOT, name, node: DISK, type, bytes: 0, mode: 0o644 });
  }

  write(sector: number, sectors: number, fail: Fail): void {
    if (sectors <= 0) return;
    let at = sector * SECTOR;
    const end = at + sectors * SECTOR;
    if (!Number.isSafeInteger(end)) fail('the disk would be larger than can be');
    if (end - at > 2 ** 30) fail(`a write of ${sectors} sectors; is that the right column?`);
    let run: { offset: number; bytes: number } | undefined;
    while (at < end) {
      const piece = Math.floor(at / PIECE);
      const within = at - piece * PIECE;
      const bytes = Math.min(PIECE - within, end - at);
      const offset = this.place(piece, fail) * PIECE + within;
      if (run !== undefined && run.offset + run.bytes === offset) {
        run.bytes += bytes;
      } else {
        if (run !== undefined) this.script.add({ op: 'write', node: DISK, ...run });
        run = { offset, bytes };
      }
      at += bytes;
    }
    if (run !== undefined) this.script.add({ op: 'write', node: DISK, ...run });
  }

  private place(piece: number, fail: Fail): number {
    const known = this.places.get(piece);
    if (known !== undefined) return known;
    const next = this.places.size;
    if (next >= PIECES_MAX) fail('more places than any disk has');
    this.places.set(piece, next);
    return next;
  }

  sync(): void {
    this.script.add({ op: 'fsync', node: DISK });
  }
}

/** "8,0  1  7  0.000123000  512  Q  WS  2048 + 8 [sqlite]": blkparse's default format. */
const BLKPARSE =
  /^\s*\d+,\d+\s+\d+\s+\d+\s+(\d+\.\d+)\s+\d+\s+(\S+)\s+([A-Z]+|N)(?:\s+(\d+)\s+\+\s+(\d+))?(?:\s|$)/;
/** From here on blkparse sums up. */
const BLKPARSE_SUMMARY = /^(CPU\d*|Total|Throughput|Events|Input file|Skips) ?\(?/;

/**
 * Requests as they were queued (Q): before the block layer merges and sorts them. A file that has
 * none of them is taken by what was issued (D), or completed (C).
 */
class BlkparseTrace implements Reader {
  private readonly script: Script;
  private readonly disk: Disk;
  private action: string | undefined;
  private atEnd = false;

  constructor(script: Script) {
    this.script = script;
    this.disk = new Disk(script);
  }

  line(text: string, fail: Fail): void {
    if (this.atEnd || BLKPARSE_SUMMARY.test(text)) {
      this.atEnd = true;
      return;
    }
    const match =
      BLKPARSE.exec(text) ?? fail('is no line of blkparse, whose default format is read');
    const [, time, action, rwbs, sector, sectors] = match;
    if (!['Q', 'D', 'C'].includes(action!)) return;
    this.action ??= action;
    if (action !== this.action) return;
    this.script.at(Number(time) * 1000, fail);
    const isDiscard = rwbs!.includes('D');
    if (rwbs!.includes('W') && !isDiscard && sector !== undefined) {
      this.disk.write(Number(sector), Number(sectors), fail);
    }
    // A flush before or instead of it, forced unit access, or a synchronous write.
    if (/F|WS|WFS/.test(rwbs!)) this.disk.sync();
  }
}

/** "0.123 0 2048 8 0": milliseconds, device, block, blocks of 512 bytes, flags (hex; 1: a read). */
const DISKSIM = /^(\d+(?:\.\d+)?)\s+(\d+)\s+(\d+)\s+(\d+)\s+(?:0x)?([0-9a-f]+)$/i;

class DiskSimTrace implements Reader {
  private readonly script: Script;
  private readonly disk: Disk;
  private device: string | undefined;

  constructor(script: Script) {
    this.script = script;
    this.disk = new Disk(script);
  }

  line(text: string, fail: Fail): void {
    const match =
      DISKSIM.exec(text) ??
      fail('is no line of DiskSim: milliseconds, device, block, blocks, flags');
    const [, time, device, block, blocks, flags] = match;
    this.script.at(Number(time), fail);
    if ((Number.parseInt(flags!, 16) & 1) !== 0) return;
    this.device ??= device;
    if (device !== this.device) {
      fail(`of device ${device}; a trace is of one device, so choose with grep or awk`);
    }
    this.disk.write(Number(block), Number(blocks), fail);
  }
}
