/**
 * Files of what was done elsewhere, to be done again to a simulated flash: traces recorded from a
 * mount (`lump_jffs2 -o trace=FILE`, src/puffs/trace.ts), the text that blkparse(1) prints, and
 * DiskSim's ASCII traces. Which one a file is, its first lines tell.
 */
import type { TraceHeader, TraceRecord } from '../puffs/trace.js';
import type { TraceOperation } from './workload.js';

/** A line that cannot be read; the message names file and line. */
export class TraceError extends Error {
  override readonly name = 'TraceError';
}

/** What a file has to say about a line that it refuses. */
type Fail = (why: string) => never;

/** One line at a time. */
interface Reader {
  line(text: string, fail: Fail): void;
}

/** Shorter gaps are gathered until they are worth a pause. */
const PAUSE_MIN_MS = 1;

/** Puts operations together; time in which nothing was asked for becomes pauses. */
class Script {
  readonly operations: TraceOperation[] = [];
  private lastMs: number | undefined;

  at(ms: number, fail: Fail): void {
    if (!Number.isFinite(ms)) fail('has no time');
    this.lastMs ??= ms;
    const gap = ms - this.lastMs;
    // Several processors may write their lines a little out of order.
    if (gap < PAUSE_MIN_MS) return;
    this.operations.push({ op: 'pause', ms: gap });
    this.lastMs = ms;
  }

  add(...operations: readonly TraceOperation[]): void {
    for (const one of operations) this.operations.push(one);
  }
}

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
  if (!script.operations.some(({ op }) => op !== 'pause')) {
    throw new TraceError(`${name}: nothing in it writes or changes anything`);
  }
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

interface TracedNode {
  /** The one under which its content is; one of `names`, unless there is none. */
  name: string;
  readonly names: Set<string>;
}

/** File numbers become flat names that keep a file's own name, since its length is stored, too. */
class MountTrace implements Reader {
  private readonly script: Script;
  private readonly nodes = new Map<number, TracedNode>();
  private readonly byName = new Map<string, TracedNode>();
  private hasHeader = false;

  constructor(script: Script, first: string, fail: Fail) {
    this.script = script;
    if ((parsed(first, fail) as Partial<TraceHeader>).lumpTrace !== 1) {
      fail('is no header of a trace of lump_jffs2 -o trace= (version 1)');
    }
  }

  line(text: string, fail: Fail): void {
    const record = parsed(text, fail) as TraceRecord | TraceHeader;
    if ('lumpTrace' in record) {
      if (this.hasHeader) fail('a second header; a trace is one mount');
      this.hasHeader = true;
      return;
    }
    const { script } = this;
    script.at(record.s * 1000, fail);
    switch (record.op) {
      case 'found': {
        const node = this.named(record.node, flatName(record, fail), fail);
        const length = record.type === 'directory' ? 0 : number(record.bytes, fail);
        script.add({ op: 'existing', name: node.name, length });
        return;
      }
      case 'create': {
        const { name } = this.named(record.node, flatName(record, fail), fail);
        const length = number(record.bytes, fail);
        script.add({ op: 'create', name });
        if (length > 0) script.add({ op: 'write', name, offset: 0, length });
        return;
      }
      case 'tmpfile': {
        const name = `#${number(record.node, fail)}`;
        this.nodes.set(record.node, { name, names: new Set() });
        script.add({ op: 'create', name });
        return;
      }
      case 'link':
        this.link(this.node(record.node, fail), flatName(record, fail));
        return;
      case 'remove':
        this.remove(record.node, flatName(record, fail), fail);
        return;
      case 'rename': {
        const to = flatName({ dir: record.toDir, name: record.toName }, fail);
        const node = this.node(record.node, fail);
        this.rename(node, flatName(record, fail), to, record.exchange === true);
        return;
      }
      case 'write': {
        const { name } = this.node(record.node, fail);
        const [offset, length] = [number(record.offset, fail), number(record.bytes, fail)];
        script.add({ op: 'write', name, offset, length });
        if (record.sync === true) script.add({ op: 'fsync', name });
        return;
      }
      case 'truncate': {
        const { name } = this.node(record.node, fail);
        script.add({ op: 'truncate', name, length: number(record.bytes, fail) });
        return;
      }
      case 'fsync': {
        const node = this.nodes.get(number(record.node, fail));
        // Of the root: jffs2 has written its entries already.
        if (node !== undefined) script.add({ op: 'fsync', name: node.name });
        return;
      }
      case 'sync':
        script.add({ op: 'sync' });
        return;
      case 'read':
      case 'attributes':
      case 'xattr':
        return;
      default:
        fail(`an operation "${String((record as { op: unknown }).op)}" is not known`);
    }
  }

  private node(node: number, fail: Fail): TracedNode {
    return this.nodes.get(number(node, fail)) ?? fail(`file ${node} was neither found nor created`);
  }

  private named(id: number, name: string, fail: Fail): TracedNode {
    const node: TracedNode = { name, names: new Set([name]) };
    this.nodes.set(number(id, fail), node);
    this.byName.set(name, node);
    return node;
  }

  /** There are no hard links: a further name is a file without content. */
  private link(node: TracedNode, name: string): void {
    if (node.names.size > 0) {
      this.script.add({ op: 'create', name });
    } else {
      this.script.add({ op: 'rename', name: node.name, to: name });
      node.name = name;
    }
    node.names.add(name);
    this.byName.set(name, node);
  }

  private remove(id: number, name: string, fail: Fail): void {
    const node = this.node(id, fail);
    this.forget(node, name);
    const [other] = node.names;
    if (other === undefined) {
      this.nodes.delete(id);
      this.script.add({ op: 'unlink', name });
    } else if (name === node.name) {
      // The content goes on under a name that is left.
      this.script.add({ op: 'rename', name, to: other });
      node.name = other;
    } else {
      this.script.add({ op: 'unlink', name });
    }
  }

  private rename(node: TracedNode, from: string, to: string, exchange: boolean): void {
    const { script } = this;
    if (from === to) return;
    const there = this.byName.get(to);
    if (exchange && there !== undefined) {
      const aside = `${to}~`;
      script.add(
        { op: 'rename', name: to, to: aside },
        { op: 'rename', name: from, to },
        { op: 'rename', name: aside, to: from },
      );
      this.forget(node, from);
      this.move(there, to, from);
    } else {
      script.add({ op: 'rename', name: from, to });
      if (there !== undefined) this.forget(there, to);
      this.forget(node, from);
    }
    this.move(node, from, to);
  }

  private forget(node: TracedNode, name: string): void {
    node.names.delete(name);
    if (this.byName.get(name) === node) this.byName.delete(name);
  }

  private move(node: TracedNode, from: string, to: string): void {
    this.forget(node, from);
    node.names.add(to);
    this.byName.set(to, node);
    if (node.name === from) node.name = to;
  }
}

function parsed(text: string, fail: Fail): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return fail('is no JSON; was the trace cut off there?');
  }
  return typeof value === 'object' && value !== null ? value : fail('is no record of a trace');
}

const number = (value: unknown, fail: Fail): number =>
  Number.isSafeInteger(value) && (value as number) >= 0
    ? (value as number)
    : fail(`${JSON.stringify(value)} where a number of a file, or of bytes, is wanted`);

const NAME_LENGTH_MAX = 240;

/** Directories are part of the name: "12:passwd". */
function flatName({ dir, name }: { dir: number; name: string }, fail: Fail): string {
  if (typeof name !== 'string' || name === '') fail('a name is wanted');
  return `${number(dir, fail)}:${name.replaceAll(/[/\0]/g, '_').slice(0, NAME_LENGTH_MAX)}`;
}

/** The name of the one file that stands for a traced disk. */
const DISK = 'disk';
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
  }

  write(sector: number, sectors: number, fail: Fail): void {
    if (sectors <= 0) return;
    let at = sector * SECTOR;
    const end = at + sectors * SECTOR;
    if (!Number.isSafeInteger(end)) fail('the disk would be larger than can be');
    if (end - at > 2 ** 30) fail(`a write of ${sectors} sectors; is that the right column?`);
    let run: { offset: number; length: number } | undefined;
    while (at < end) {
      const piece = Math.floor(at / PIECE);
      const within = at - piece * PIECE;
      const length = Math.min(PIECE - within, end - at);
      const offset = this.place(piece, fail) * PIECE + within;
      if (run !== undefined && run.offset + run.length === offset) {
        run.length += length;
      } else {
        if (run !== undefined) this.script.add({ op: 'write', name: DISK, ...run });
        run = { offset, length };
      }
      at += length;
    }
    if (run !== undefined) this.script.add({ op: 'write', name: DISK, ...run });
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
    this.script.add({ op: 'fsync', name: DISK });
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
