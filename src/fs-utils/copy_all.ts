/** What cp, mv and the tools that copy over the border share: operands, and what is kept. */
import type { ByteText } from './bytes.js';
import { Copier, KEPT, type CopyOptions, type Kept } from './copy.js';
import { EXIT_USAGE, ToolError } from './errors.js';
import { isIntoDirectory } from './operands.js';
import type { ToolContext, ToolOption, Words } from './tool.js';
import { basename, join, type Tree } from './tree.js';

/** Copies the operands to the last one, or into it where it is a directory. */
export function copyAll(
  context: ToolContext,
  from: Tree,
  to: Tree,
  words: readonly ByteText[],
  options: CopyOptions,
): undefined {
  const target = to.pathOf(words.at(-1)!);
  const sources = words.slice(0, -1).map((word) => from.pathOf(word));
  const isInto = isIntoDirectory(context, to, [...sources, target]);
  if (isInto === undefined) return undefined;
  const copier = new Copier(context, from, to, options);
  for (const source of sources) {
    const name = basename(source);
    const keepsName = isInto && !['/', '.', '..'].includes(name);
    copier.copy(source, keepsName ? join(target, name) : target);
  }
  copier.finish();
  return undefined;
}

export const NO_PRESERVE: ToolOption = [
  '--no-preserve <list>',
  `what is not to be kept, separated by commas: ${KEPT.join(', ')}`,
];

export const EXIT_STATUS = [
  ['0', 'all was copied, and kept'],
  ['1', 'something was not copied, or not kept, as was said'],
] as const;

/** All that --no-preserve does not name. @throws ToolError */
export function preserved(words: Words): Kept[] {
  const lost = words.values('no-preserve').flatMap((list) => list.split(','));
  const unknown = lost.find((word) => !(KEPT as readonly string[]).includes(word));
  if (unknown !== undefined) {
    throw new ToolError(`--no-preserve: '${unknown}' is none of ${KEPT.join(', ')}`, EXIT_USAGE);
  }
  return KEPT.filter((word) => !lost.includes(word));
}
