/**
 * Phases 3 and 4 for jffs2: nodes are written directly, one erase block after the other; nothing is
 * mounted. What mkfs.jffs2 does otherwise is in DIFFERENCES.md.
 *
 * Order: the root; then, directory by directory, every entry with its inode's nodes and attributes;
 * then the directories in it. Names are sorted by bytes, so that the same tree, options and zlib
 * make the same image.
 */
import { S_IFBLK, S_IFCHR, S_IFLNK, S_IFMT, S_IFREG } from '../lump/fs.js';
import { crc32_le } from '../lump/crc32.js';
import { bytesToName, putName } from '../lump/types.js';
import {
  BIG_ENDIAN,
  encodeDeviceNumber,
  type Endian,
  INODE_SIZE,
  JFFS2_COMPR_NONE,
  JFFS2_COMPR_ZERO,
  JFFS2_MIN_DATA_LEN,
  JFFS2_ROOT_INO,
  JFFS2_SUMMARY_XATTR_SIZE,
  LITTLE_ENDIAN,
} from '../jffs2/medium.js';
import { applyDeviceTable } from './device_table.js';
import type {
  FileSystemType,
  SequentialFile,
  MakeProgress,
  MakeReport,
  MakeRequest,
  MakeServices,
} from './filesystem_type.js';
import { type Contents, dataBytes, type FsInode, type FsNode, MakefsError } from './fsnode.js';
import { type FlashWriter, NandWriter, NorWriter } from './jffs2_flash.js';
import { type InodeFacts, Jffs2ImageWriter } from './jffs2_image.js';
import { type Jffs2Base, noBase, readBase } from './jffs2_incremental.js';
import { JFFS2_MAKE_OPTIONS, type Jffs2Settings, jffs2Settings } from './jffs2_options.js';
import { type Page, PageReader } from './jffs2_pages.js';
import { checkTree, clampTimes, type MediumXattr, mediumXattrs, squash } from './jffs2_tree.js';

/** Offsets on the medium have 32 bits. */
const IMAGE_BYTES_MAX = 2 ** 32;
/** Pages from which on further threads pay: starting one takes as long as compressing some 500. */
const PAGES_PER_WORKER = 500;
/** How often progress is told. */
const PAGES_PER_PROGRESS = 64;

export const jffs2Type: FileSystemType = {
  name: 'jffs2',
  options: JFFS2_MAKE_OPTIONS,
  byteOrders: ['little', 'big'],
  letters: [],

  wantsXattrs(options) {
    return ['with-xattr', 'with-selinux', 'with-posix-acl'].some((name) => name in options);
  },

  make(tree, image, request, host) {
    const settings = jffs2Settings(request.options, (line) => host.note(line));
    return new Jffs2Maker(tree, image, settings, request, host).make();
  },
};

/** One name in the order of writing. */
interface Step {
  readonly node: FsNode;
  readonly ino: number;
  readonly parentIno: number;
  /** False for a directory that the base image has already. */
  readonly dirent: boolean;
  /** The first name of its inode: the inode's nodes follow. */
  readonly first: boolean;
}

class Jffs2Maker {
  private readonly tree: FsNode;
  private readonly flash: FlashWriter;
  private readonly settings: Jffs2Settings;
  private readonly request: MakeRequest;
  private readonly host: MakeServices;
  private readonly endian: Endian;
  private readonly writer: Jffs2ImageWriter;
  private readonly base: Jffs2Base;
  private readonly xattrs = new Map<FsInode, readonly MediumXattr[]>();
  /** Attribute data that are written already: content → number. */
  private readonly xids = new Map<string, number>();
  /** Versions given so far: inode number → version. */
  private readonly versions = new Map<number, number>();
  private readonly scratch: Uint8Array;
  private readonly lengths = { srclen: 0, dstlen: 0 };
  private pagesDone = 0;
  private bytesDone = 0;
  private bytesAll = 0;
  private nodes = 0;
  private holeBytes = 0;
  /** By codec number: nodes, plain bytes, stored bytes. */
  private readonly counts = new Map<number, [number, number, number]>();

  constructor(
    tree: FsNode,
    image: SequentialFile,
    settings: Jffs2Settings,
    request: MakeRequest,
    host: MakeServices,
  ) {
    this.tree = tree;
    this.settings = settings;
    this.request = request;
    this.host = host;
    this.endian = request.byteOrder === 'little' ? LITTLE_ENDIAN : BIG_ENDIAN;
    this.scratch = new Uint8Array(settings.pageSizeBytes + 256);
    this.base =
      settings.incremental === undefined
        ? noBase()
        : readBase(
            host.readFile(settings.incremental),
            settings.incremental,
            this.endian,
            settings.eraseSizeBytes,
          );
    const { eraseSizeBytes, cleanmarkerBytes, summary, nand } = settings;
    this.flash = nand === null ? new NorWriter(image) : new NandWriter(image, nand, this.endian);
    this.writer = new Jffs2ImageWriter(
      { endian: this.endian, eraseSizeBytes, cleanmarkerBytes, summary },
      (block, used) => this.put(block, used),
    );
  }

  *make(): Generator<MakeProgress, MakeReport, undefined> {
    const { tree, settings, request, host } = this;
    squash(tree, settings);
    for (const file of settings.deviceTables) {
      const text = bytesToName(host.readFile(file));
      applyDeviceTable(tree, text, file, request.nowSec);
    }
    clampTimes(tree, settings.fakeTime, request.timeMaxSec);
    const { xattrs } = settings;
    const xattrsOf = (inode: FsInode): readonly MediumXattr[] => {
      let list = this.xattrs.get(inode);
      if (list === undefined) {
        list = mediumXattrs(inode, xattrs, this.endian, (line) => host.note(line));
        this.xattrs.set(inode, list);
      }
      return list;
    };
    checkTree(tree, xattrsOf, this.writer.roomInBlock(JFFS2_SUMMARY_XATTR_SIZE));

    const steps = this.plan();
    this.bytesAll = dataBytes(tree);
    const reader = this.readPages(steps);
    try {
      for (const step of steps) yield* this.write(step, reader);
    } finally {
      reader.stop();
    }
    this.pad();
    this.sayWhere();
    return { sizeBytes: this.flash.sizeBytes, statistics: this.statistics(reader) };
  }

  /** Gives out inode numbers, in the order in which names are written. */
  private plan(): Step[] {
    const steps: Step[] = [];
    const inos = new Map<FsInode, number>([[this.tree.inode, JFFS2_ROOT_INO]]);
    let highest = Math.max(JFFS2_ROOT_INO, this.base.highestIno);
    const visit = (directory: FsNode, parentIno: number): void => {
      const children = directory.sorted();
      const below: [FsNode, number][] = [];
      for (const node of children) {
        const known = inos.get(node.inode);
        const there = node.isDirectory ? this.base.directory(parentIno, node.name) : 0;
        const ino = known ?? (there || ++highest);
        inos.set(node.inode, ino);
        steps.push({ node, ino, parentIno, dirent: there === 0, first: known === undefined });
        if (node.isDirectory) below.push([node, ino]);
      }
      for (const [node, ino] of below) visit(node, ino);
    };
    const root = { node: this.tree, ino: JFFS2_ROOT_INO, parentIno: 0 };
    steps.push({ ...root, dirent: false, first: true });
    visit(this.tree, JFFS2_ROOT_INO);
    return steps;
  }

  private readPages(steps: readonly Step[]): PageReader {
    const { settings, host } = this;
    const { pageSizeBytes, compression, portableZlib } = settings;
    const files = function* (): Generator<Contents> {
      for (const { node, first } of steps) {
        if (first && node.inode.contents !== null) yield node.inode.contents;
      }
    };
    const pages = this.bytesAll / pageSizeBytes;
    const workers =
      compression.mode === 'none'
        ? 0
        : Math.min(host.workers, Math.floor(pages / PAGES_PER_WORKER));
    return new PageReader(
      files(),
      this.bytesAll,
      pageSizeBytes,
      compression,
      host.codecs(portableZlib),
      workers === 0
        ? null
        : (ring) => {
            const module = new URL('./jffs2_pages.js', import.meta.url).href;
            host.startWorkers(workers, module, ring, portableZlib);
          },
    );
  }

  private *write(step: Step, reader: PageReader): Generator<MakeProgress, void, undefined> {
    const { node, ino, parentIno } = step;
    const { inode } = node;
    if (step.dirent) {
      const type = (inode.mode & S_IFMT) >>> 12;
      const mctime = node.parent!.inode.mtimeSec;
      this.writer.dirent(parentIno, this.version(parentIno), ino, mctime, type, node.name);
      this.nodes++;
    }
    if (!step.first) return;
    yield* this.writeInode(ino, inode, reader);
    for (const attribute of this.xattrs.get(inode)!) this.writeXattr(ino, attribute);
  }

  private *writeInode(
    ino: number,
    inode: FsInode,
    reader: PageReader,
  ): Generator<MakeProgress, void, undefined> {
    const facts: InodeFacts = {
      ino,
      mode: inode.mode,
      uid: inode.uid,
      gid: inode.gid,
      isize: 0,
      timeSec: inode.mtimeSec,
    };
    const { scratch } = this;
    switch (inode.mode & S_IFMT) {
      case S_IFREG:
        if (inode.contents !== null) {
          const isize = inode.contents.sizeBytes;
          yield* this.writeFile({ ...facts, isize }, reader);
          return;
        }
        break;
      case S_IFLNK: {
        const isize = putName(scratch, 0, inode.target);
        this.writePayload({ ...facts, isize }, isize);
        return;
      }
      case S_IFCHR:
      case S_IFBLK: {
        const { rdevMajor, rdevMinor } = inode;
        this.writePayload(facts, encodeDeviceNumber(this.endian, scratch, 0, rdevMajor, rdevMinor));
        return;
      }
      default:
    }
    this.writePayload(facts, 0);
  }

  /** The one node of an inode that is no file with data; its payload is in scratch. */
  private writePayload(facts: InodeFacts, length: number): void {
    const { scratch } = this;
    const crc = crc32_le(0, scratch, 0, length);
    const version = this.version(facts.ino);
    this.writer.inode(facts, version, 0, length, JFFS2_COMPR_NONE, scratch, 0, length, crc);
    this.nodes++;
  }

  private *writeFile(
    facts: InodeFacts,
    reader: PageReader,
  ): Generator<MakeProgress, void, undefined> {
    // Zeros in whole pages become holes, one node for all that lie together.
    let hole = 0;
    for (let offset = 0; offset < facts.isize; ) {
      const page = reader.next();
      if (page.compr === JFFS2_COMPR_ZERO) {
        hole += page.length;
      } else {
        this.writeHole(facts, offset - hole, hole);
        hole = 0;
        this.writePage(facts, offset, page, reader);
      }
      offset += page.length;
      this.bytesDone += page.length;
      if (this.pagesDone++ % PAGES_PER_PROGRESS === 0) {
        yield { doneBytes: this.bytesDone, allBytes: this.bytesAll };
      }
    }
    this.writeHole(facts, facts.isize - hole, hole);
  }

  private writeHole(facts: InodeFacts, offset: number, length: number): void {
    if (length === 0) return;
    const version = this.version(facts.ino);
    this.writer.inode(facts, version, offset, length, JFFS2_COMPR_ZERO, this.scratch, 0, 0, 0);
    this.nodes++;
    this.holeBytes += length;
  }

  /** A page is one node, unless the end of an erase block or its codec cuts it in pieces. */
  private writePage(facts: InodeFacts, pageOffset: number, page: Page, reader: PageReader): void {
    const { writer, lengths, scratch } = this;
    let { compr, consumed, payloadAt, payloadLength, crc } = page;
    let payload = page.bytes;
    const recompress = (at: number, left: number, room: number): void => {
      lengths.srclen = left;
      lengths.dstlen = Math.min(room, left);
      compr = reader.table.compress(page.bytes, at, lengths, scratch, 0);
      consumed = lengths.srclen;
      payloadLength = lengths.dstlen;
      payload = compr === JFFS2_COMPR_NONE ? page.bytes : scratch;
      payloadAt = compr === JFFS2_COMPR_NONE ? at : 0;
      crc = crc32_le(0, payload, payloadAt, payloadLength);
    };
    for (let done = 0; done < page.length; ) {
      let room = writer.room() - INODE_SIZE;
      if (payloadLength > room && room < JFFS2_MIN_DATA_LEN) {
        writer.closeBlock();
        room = writer.room() - INODE_SIZE;
      }
      if (payloadLength > room) recompress(page.at + done, page.length - done, room);
      const version = this.version(facts.ino);
      const offset = pageOffset + done;
      writer.inode(facts, version, offset, consumed, compr, payload, payloadAt, payloadLength, crc);
      this.count(compr, consumed, payloadLength);
      done += consumed;
      if (done < page.length) {
        recompress(page.at + done, page.length - done, this.settings.pageSizeBytes);
      }
    }
  }

  private writeXattr(ino: number, { xprefix, name, value }: MediumXattr): void {
    const content = `${xprefix}\0${name}\0${bytesToName(value)}`;
    let xid = this.xids.get(content);
    if (xid === undefined) {
      xid = ++this.base.highestXid;
      this.xids.set(content, xid);
      this.writer.xattr(xid, 1, xprefix, name, value);
      this.nodes++;
    }
    this.base.highestXseqno += 2;
    this.writer.xref(ino, xid, this.base.highestXseqno);
    this.nodes++;
  }

  private version(ino: number): number {
    const version = (this.versions.get(ino) ?? this.base.version(ino)) + 1;
    this.versions.set(ino, version);
    return version;
  }

  private count(compr: number, plain: number, stored: number): void {
    this.nodes++;
    let count = this.counts.get(compr);
    if (count === undefined) {
      count = [0, 0, 0];
      this.counts.set(compr, count);
    }
    count[0]++;
    count[1] += plain;
    count[2] += stored;
  }

  /** Takes an erase block; it is written whole, unless it is the last one. */
  private put(block: Uint8Array, used: number): void {
    const { eraseSizeBytes } = this.settings;
    const start = (this.writer.blocks - 1) * eraseSizeBytes;
    const { maximumSizeBytes } = this.request;
    if (start + used > Math.min(maximumSizeBytes, IMAGE_BYTES_MAX)) {
      throw new MakefsError(
        maximumSizeBytes < IMAGE_BYTES_MAX
          ? `the image does not fit ${maximumSizeBytes} bytes`
          : 'the image would be larger than 4 GiB, which jffs2 cannot address',
      );
    }
    // Only up to the last node: when another block follows, what is between is filled then.
    this.flash.block(block, used, start);
  }

  /** The end: erased flash, in blocks with cleanmarkers where there are any. */
  private pad(): void {
    const { writer, settings, request } = this;
    const { eraseSizeBytes, pad, cleanmarkerBytes, nand } = settings;
    writer.finish();
    const { free } = request;
    const wanted = 'blocks' in free ? free.blocks > 0 : free.percent > 0;
    const used = writer.blocks;
    const blocks =
      'blocks' in free ? used + free.blocks : Math.ceil(used / (1 - free.percent / 100));
    let size = Math.max(typeof pad === 'number' ? pad : 0, request.minimumSizeBytes);
    if (wanted) size = Math.max(size, blocks * eraseSizeBytes);
    if (size === 0 && pad === 'no') return;
    const whole = (bytes: number): number => Math.ceil(bytes / eraseSizeBytes) * eraseSizeBytes;
    if (cleanmarkerBytes > 0 || nand?.cleanmarkers) {
      while (writer.blocks * eraseSizeBytes < size) writer.emptyBlock();
      this.flash.fillTo(writer.blocks * eraseSizeBytes);
    } else {
      this.flash.fillTo(size > 0 ? size : whole(this.flash.sizeBytes));
    }
    if (this.flash.sizeBytes > request.maximumSizeBytes) {
      throw new MakefsError(
        `the image has ${this.flash.sizeBytes} bytes in whole erase blocks, more than the ` +
          `${request.maximumSizeBytes} that it may have`,
      );
    }
  }

  /** An addition starts with an erase block of its own. */
  private sayWhere(): void {
    if (this.settings.incremental === undefined) return;
    const { eraseSizeBytes } = this.settings;
    const next = Math.ceil(this.base.sizeBytes / eraseSizeBytes) * eraseSizeBytes;
    if (next !== this.base.sizeBytes) {
      this.host.note(
        `${this.settings.incremental} ends within an erase block: ` +
          `the addition belongs at offset 0x${next.toString(16)}`,
      );
    }
  }

  private statistics(reader: PageReader): string[] {
    const names = new Map([[JFFS2_COMPR_NONE, 'not compressed']]);
    for (const { codec } of reader.table.list()) names.set(codec.compr, codec.name);
    const lines = [...this.counts]
      .sort(([a], [b]) => a - b)
      .map(
        ([compr, [nodes, plain, stored]]) =>
          `${names.get(compr)}: ${nodes} nodes, ${plain} bytes in ${stored}`,
      );
    if (this.holeBytes > 0) lines.push(`zeros in holes: ${this.holeBytes} bytes`);
    lines.push(`${this.nodes} nodes in ${this.writer.blocks} erase blocks`);
    return lines;
  }
}
