/** What a type cannot hold is said at once, and all of it. */
import type { ByteName } from '../lump/types.js';
import { MakefsError, showPath } from './fsnode.js';

/** A message shows no more than this; the next run shows the rest. */
const PROBLEMS_SHOWN = 20;

/** @throws MakefsError unless there are none */
export function refuse(type: string, problems: readonly string[], advice = ''): void {
  if (problems.length === 0) return;
  const more = problems.length - PROBLEMS_SHOWN;
  throw new MakefsError(
    [
      `${type} cannot hold this tree:`,
      ...problems.slice(0, PROBLEMS_SHOWN),
      ...(more > 0 ? [`and ${more} more`] : []),
      ...(advice === '' ? [] : [advice]),
    ].join('\n  '),
  );
}

/** A path that long would hide the message. */
export function shortened(path: ByteName): string {
  const text = showPath(path);
  return text.length > 200 ? `${text.slice(0, 100)}…${text.slice(-60)}` : text;
}
