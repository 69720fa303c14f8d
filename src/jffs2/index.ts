/**
 * For programs that look at a medium themselves: its structures, what an image is, the codecs. To
 * mount one, see src/ukfs/mount_jffs2.ts.
 * @module jffs2
 */
export {
  type compr_lengths,
  type decompress_outcome,
  type jffs2_compr_mode,
  type jffs2_compressor,
  type jffs2_compressor_state,
  jffs2_compressors,
  type jffs2_compressors_options,
} from './compr.js';
export { type ImageBytes, jffs2_detect, type Jffs2Detection } from './detect.js';
export * from './medium.js';
