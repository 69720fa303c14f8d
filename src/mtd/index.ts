/**
 * What the rest of the world may use of the simulated flash.
 * @module mtd
 */
export type { FlashBacking } from './backing.js';
export type { chip_description, chip_kind } from './chip_description.js';
export { CowBacking } from './cow_backing.js';
export * from './fault.js';
export { FileBacking, type file_backing_options } from './file_backing.js';
export { flash_chip, type flash_chip_options } from './flash_chip.js';
export * from './mtd.js';
export { mtd_table } from './mtd_table.js';
export {
  type mtdparts_device,
  type mtdparts_part,
  mtd_make_partitions,
  parse_mtdparts,
} from './mtdparts.js';
export { nand_chip, type nand_chip_options } from './nand.js';
export type { nand_bbt_kind } from './nand_bbt.js';
export type { nand_ecc_name } from './nand_ecc.js';
export { nand_decode_id, type nand_geometry } from './nand_ids.js';
export type { nand_dump_layout } from './nand_layout.js';
export type { nandsim_parameters } from './nandsim.js';
export { nor_chip } from './nor.js';
export {
  type mtd_image,
  type mtd_open_options,
  type mtd_ram_options,
  mtd_new_ram,
  mtd_open_image,
  new_chip,
} from './open.js';
export { paged_chip, type paged_chip_kind, type paged_chip_options } from './paged.js';
export { mtd_partition, type mtd_partition_options } from './partition.js';
export { ram_chip } from './ram.js';
export { RamBacking } from './ram_backing.js';
export * from './recorder.js';
export { mtd_shim } from './shim.js';
export * from './timing.js';
export { mtd_trace, trace_lines, type trace_op, type trace_record } from './trace.js';
export { wear_counters, type wear_store } from './wear.js';
export * from './write_order.js';
