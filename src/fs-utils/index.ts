/** The tools of fs-utils, to run on a mounted image. */
export { commandOf, runTool, type Session, type Tool } from './tool.js';
export { HostTree } from './host_tree.js';
export { ImageTree } from './image_tree.js';
export type { OpenedTree, SecondImage } from './second.js';
export { Output, OutputError } from './output.js';
export { decode, encode, type ByteText } from './bytes.js';
export { EXIT_USAGE, ToolError } from './errors.js';
export { commandLine, confirm, standardInput, writeAll } from './host_process.js';
