/** What an image that is added to (-i) says already: numbers in use, and its directories. */
import { S_IFDIR } from '../lump/fs.js';
import { type ByteName, bytesToName } from '../lump/types.js';
import {
  DIRENT_SIZE,
  D_INO,
  D_NSIZE,
  D_PINO,
  D_TYPE,
  D_VERSION,
  type Endian,
  I_INO,
  I_VERSION,
  JFFS2_NODETYPE_DIRENT,
  JFFS2_NODETYPE_INODE,
  JFFS2_NODETYPE_XATTR,
  JFFS2_NODETYPE_XREF,
  R_XSEQNO,
  X_XID,
} from '../jffs2/medium.js';
import { MakefsError } from './fsnode.js';
import { scanNodes } from './jffs2_scan.js';

const DT_DIR = S_IFDIR >>> 12;

export class Jffs2Base {
  highestIno = 0;
  highestXid = 0;
  highestXseqno = 0;
  sizeBytes = 0;
  private readonly versions = new Map<number, number>();
  /** By "directory number/name": the newest entry. */
  private readonly entries = new Map<string, { version: number; ino: number; type: number }>();

  /** The highest version that an inode's nodes or a directory's entries have; 0 = none. */
  version(ino: number): number {
    return this.versions.get(ino) ?? 0;
  }

  /** The inode number of a directory that is there; 0 = there is none of that name. */
  directory(pino: number, name: ByteName): number {
    const entry = this.entries.get(`${pino}/${name}`);
    return entry?.type === DT_DIR ? entry.ino : 0;
  }

  sawVersion(ino: number, version: number): void {
    this.highestIno = Math.max(this.highestIno, ino);
    this.versions.set(ino, Math.max(this.version(ino), version));
  }

  sawEntry(pino: number, name: ByteName, version: number, ino: number, type: number): void {
    const key = `${pino}/${name}`;
    const before = this.entries.get(key);
    if (before === undefined || before.version <= version) {
      this.entries.set(key, { version, ino, type });
    }
  }
}

export const noBase = (): Jffs2Base => new Jffs2Base();

/** @throws MakefsError there is nothing of jffs2 in it, in this byte order */
export function readBase(
  image: Uint8Array,
  file: string,
  e: Endian,
  eraseSizeBytes: number,
): Jffs2Base {
  const base = new Jffs2Base();
  base.sizeBytes = image.length;
  let nodes = 0;
  for (const { at, type, good } of scanNodes(image, e, eraseSizeBytes)) {
    if (!good) continue;
    nodes++;
    switch (type) {
      case JFFS2_NODETYPE_INODE:
        base.sawVersion(e.u32(image, at + I_INO), e.u32(image, at + I_VERSION));
        break;
      case JFFS2_NODETYPE_DIRENT: {
        const pino = e.u32(image, at + D_PINO);
        const version = e.u32(image, at + D_VERSION);
        const ino = e.u32(image, at + D_INO);
        const end = at + DIRENT_SIZE + image[at + D_NSIZE]!;
        const name = bytesToName(image, at + DIRENT_SIZE, end);
        base.sawVersion(pino, version);
        base.highestIno = Math.max(base.highestIno, ino);
        base.sawEntry(pino, name, version, ino, image[at + D_TYPE]!);
        break;
      }
      case JFFS2_NODETYPE_XATTR:
        base.highestXid = Math.max(base.highestXid, e.u32(image, at + X_XID));
        break;
      case JFFS2_NODETYPE_XREF:
        base.highestXseqno = Math.max(base.highestXseqno, e.u32(image, at + R_XSEQNO) & ~1);
        break;
      default:
    }
  }
  if (nodes === 0) throw new MakefsError(`${file} has no ${e.name}-endian jffs2 nodes to add to`);
  return base;
}
