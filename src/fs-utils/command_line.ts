/** A line of the console: words with quotes, patterns of names, redirection to the host. */
import type { ByteText } from './bytes.js';
import { isSystemError } from './errors.js';
import { byName } from './traverse.js';
import { join, type Tree } from './tree.js';

export interface Word {
  readonly text: ByteText;
  /** A regular expression for each component, where * ? [ ] stood outside quotes. */
  readonly pattern: string | undefined;
}

export interface Line {
  readonly words: readonly Word[];
  /** Of the host. */
  readonly input?: string;
  readonly output?: { readonly path: string; readonly append: boolean };
  /** A command line of the host that reads the output. */
  readonly pipe?: string;
}

const literally = (character: string): string => character.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

/** @returns a message instead, when the line is wrong. */
export function parseLine(text: ByteText): Line | string {
  const words: Word[] = [];
  let input: string | undefined;
  let output: Line['output'];
  let at = 0;
  const readWord = (): Word | string => {
    let word = '';
    let pattern = '';
    let isPattern = false;
    for (let quote = ''; at < text.length; at++) {
      const c = text[at]!;
      if (quote === '' && /[\s|<>]/.test(c)) break;
      if (c === quote) quote = '';
      else if (quote === '' && (c === "'" || c === '"')) quote = c;
      else if (c === '\\' && quote !== "'" && at + 1 < text.length) {
        word += text[++at]!;
        pattern += literally(text[at]!);
      } else {
        word += c;
        if (quote === '' && (c === '*' || c === '?' || c === '[')) {
          const set = c === '[' ? /^\[[!^]?\]?[^\]/]*\]/.exec(text.slice(at)) : null;
          if (c === '[' && set === null) pattern += '\\[';
          else {
            isPattern = true;
            if (c === '*') pattern += '.*';
            else if (c === '?') pattern += '.';
            else {
              const inside = set![0]
                .slice(1, -1)
                .replace(/^[!^]/, '^')
                .replace(/[\\[\]]/g, '\\$&');
              pattern += `[${inside}]`;
              word += set![0].slice(1);
              at += set![0].length - 1;
            }
          }
        } else pattern += c === '/' ? '/' : literally(c);
      }
      if (at + 1 === text.length && quote !== '') return `${quote} is missing at the end`;
    }
    return { text: word, pattern: isPattern ? pattern : undefined };
  };
  while (at < text.length) {
    const c = text[at]!;
    if (/\s/.test(c)) at++;
    else if (c === '#' && words.length === 0) break;
    else if (c === '|')
      return { words, ...(input !== undefined && { input }), pipe: text.slice(at + 1) };
    else if (c === '<' || c === '>') {
      const append = text.startsWith('>>', at);
      at += append ? 2 : 1;
      while (/\s/.test(text[at] ?? '')) at++;
      const word = readWord();
      if (typeof word === 'string') return word;
      if (word.text === '') return `${c} wants a file of the host behind it`;
      if (c === '<') input = word.text;
      else output = { path: word.text, append };
    } else {
      const word = readWord();
      if (typeof word === 'string') return word;
      words.push(word);
    }
  }
  return { words, ...(input !== undefined && { input }), ...(output !== undefined && { output }) };
}

/** Names of the tree that fit the pattern, sorted; the word itself when none does. */
export function expand(tree: Tree, { text, pattern }: Word): ByteText[] {
  if (pattern === undefined) return [text];
  let found: ByteText[] = [pattern.startsWith('/') ? '/' : ''];
  for (const component of pattern.split('/').filter((part) => part !== '')) {
    const expression = new RegExp(`^${component}$`, 's');
    // Names that start with a dot are meant only by patterns that do.
    const hidden = component.startsWith('\\.');
    found = found.flatMap((folder) => {
      try {
        return tree
          .readdir(folder || '.')
          .filter((name) => expression.test(name) && (hidden || !name.startsWith('.')))
          .map((name) => (folder === '' ? name : join(folder, name)));
      } catch (error) {
        if (isSystemError(error)) return [];
        throw error;
      }
    });
  }
  return found.length === 0 ? [text] : found.sort(byName);
}

/** "cd /etc; ls" → its commands; semicolons in quotes are characters. */
export const splitCommands = (text: ByteText): ByteText[] =>
  text.match(/(?:'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^;'"\\]|['"\\])+/gs) ?? [];
