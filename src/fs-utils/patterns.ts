/** Patterns: of the shell (fnmatch(3)), and regular expressions of POSIX, as JavaScript's. */
import type { ByteText } from './bytes.js';

const literally = (character: string): string => character.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

const CLASSES: Readonly<Record<string, string>> = {
  alpha: 'A-Za-z',
  digit: '0-9',
  alnum: 'A-Za-z0-9',
  upper: 'A-Z',
  lower: 'a-z',
  space: '\\s',
  blank: ' \\t',
  punct: '!-\\/:-@\\[-`{-~',
  print: ' -~',
  graph: '!-~',
  cntrl: '\\x00-\\x1f\\x7f',
  xdigit: '0-9A-Fa-f',
};

/** "[a-z[:digit:]]" at `at` → JavaScript's, and where it ends; undefined when it does not. */
function bracket(
  text: string,
  at: number,
): { readonly source: string; readonly end: number } | undefined {
  const match = /^\[[!^]?\]?(?:\[:\w+:\]|[^\]])*\]/.exec(text.slice(at));
  if (match === null) return undefined;
  const inside = match[0].slice(1, -1);
  const negated = /^[!^]/.test(inside);
  const source = (negated ? inside.slice(1) : inside).replace(
    /\[:(\w+):\]|[\\[\]^]/g,
    (whole, name: string | undefined) =>
      name === undefined ? `\\${whole}` : (CLASSES[name] ?? ''),
  );
  return { source: `[${negated ? '^' : ''}${source}]`, end: at + match[0].length };
}

/** Slashes and leading dots are characters like others: so find has it. */
export function shellPattern(pattern: ByteText, ignoresCase = false): RegExp {
  let source = '';
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i]!;
    const set = c === '[' ? bracket(pattern, i) : undefined;
    if (set !== undefined) {
      source += set.source;
      i = set.end - 1;
    } else if (c === '*') source += '.*';
    else if (c === '?') source += '.';
    else source += literally(c === '\\' && i + 1 < pattern.length ? pattern[++i]! : c);
  }
  return new RegExp(`^${source}$`, ignoresCase ? 'is' : 's');
}

/** A basic regular expression, or an extended one; of the whole text. @throws SyntaxError */
export function posixPattern(pattern: ByteText, isExtended: boolean, ignoresCase: boolean): RegExp {
  let source = '';
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i]!;
    const set = c === '[' ? bracket(pattern, i) : undefined;
    if (set !== undefined) {
      source += set.source;
      i = set.end - 1;
    } else if (c === '\\' && i + 1 < pattern.length) {
      const next = pattern[++i]!;
      const isOperator = !isExtended && '(){}|+?'.includes(next);
      source +=
        isOperator || /[1-9]/.test(next) ? (isOperator ? next : `\\${next}`) : literally(next);
    } else if (c === '*') {
      source += source === '' || source.endsWith('(') ? '\\*' : '*';
    } else if (c === '.' || c === '^' || c === '$') source += c;
    else source += isExtended && '(){}|+?'.includes(c) ? c : literally(c);
  }
  return new RegExp(`^(?:${source})$`, ignoresCase ? 'is' : 's');
}
