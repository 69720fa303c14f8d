/**
 * sumtool's work: the nodes of an image put into erase blocks anew, each with its summary. What is
 * obsolete or damaged is left out; the order of nodes, and so which of two wins, stays.
 */
import {
  type Endian,
  JFFS2_COMPAT_MASK,
  JFFS2_FEATURE_RWCOMPAT_DELETE,
  JFFS2_NODETYPE_CLEANMARKER,
  JFFS2_NODETYPE_DIRENT,
  JFFS2_NODETYPE_INODE,
  JFFS2_NODETYPE_PADDING,
  JFFS2_NODETYPE_SUMMARY,
  JFFS2_NODETYPE_XATTR,
  JFFS2_NODETYPE_XREF,
} from '../jffs2/medium.js';
import type { SequentialFile } from './filesystem_type.js';
import { MakefsError } from './fsnode.js';
import { NorWriter } from './jffs2_flash.js';
import { Jffs2ImageWriter } from './jffs2_image.js';
import { scanNodes } from './jffs2_scan.js';

const COPIED: ReadonlySet<number> = new Set([
  JFFS2_NODETYPE_INODE,
  JFFS2_NODETYPE_DIRENT,
  JFFS2_NODETYPE_XATTR,
  JFFS2_NODETYPE_XREF,
]);
const MADE_ANEW: ReadonlySet<number> = new Set([
  JFFS2_NODETYPE_CLEANMARKER,
  JFFS2_NODETYPE_PADDING,
  JFFS2_NODETYPE_SUMMARY,
]);

export interface SumRequest {
  readonly endian: Endian;
  /** Of the image and of the result. */
  readonly eraseSizeBytes: number;
  /** 0 = none; undefined = as in the image. */
  readonly cleanmarkerBytes: number | undefined;
  /** Fills the last block with erased flash. */
  readonly pad: boolean;
}

export interface SumReport {
  readonly nodes: number;
  /** Left out, since their CRCs are wrong. */
  readonly damaged: number;
  /** Left out, as their type allows who does not know it. */
  readonly unknown: number;
  readonly sizeBytes: number;
}

/** @throws MakefsError there is nothing of jffs2 in it, or a node that must not be left out */
export function addSummaries(
  image: Uint8Array,
  out: SequentialFile,
  request: SumRequest,
): SumReport {
  const { endian, eraseSizeBytes, pad } = request;
  const nodes = [...scanNodes(image, endian, eraseSizeBytes)];
  const marker = nodes.find(({ type, good }) => good && type === JFFS2_NODETYPE_CLEANMARKER);
  const cleanmarkerBytes = request.cleanmarkerBytes ?? marker?.totlen ?? 0;
  const flash = new NorWriter(out);
  const writer = new Jffs2ImageWriter(
    { endian, eraseSizeBytes, cleanmarkerBytes, summary: true },
    (block, used) => flash.block(block, used, (writer.blocks - 1) * eraseSizeBytes),
  );
  let copied = 0;
  let damaged = 0;
  let unknown = 0;
  for (const { at, type, totlen, good } of nodes) {
    if (MADE_ANEW.has(type)) continue;
    if (!good) {
      damaged++;
    } else if (COPIED.has(type)) {
      writer.copy(image, at, totlen);
      copied++;
    } else if ((type & JFFS2_COMPAT_MASK) === JFFS2_FEATURE_RWCOMPAT_DELETE) {
      unknown++;
    } else {
      throw new MakefsError(
        `a node of the unknown type 0x${type.toString(16)} at 0x${at.toString(16)} must be kept, ` +
          'and no summary can describe it',
      );
    }
  }
  if (copied === 0) throw new MakefsError(`there are no ${endian.name}-endian jffs2 nodes`);
  writer.finish();
  if (pad) flash.fillTo(writer.blocks * eraseSizeBytes);
  return { nodes: copied, damaged, unknown, sizeBytes: flash.sizeBytes };
}
