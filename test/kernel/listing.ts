/** Reads the files that `list_tree` of guest.sh wrote: the kernel's view of a tree. */
import { parseGetfattr, unquoteOctal } from '../../src/rumpuser/getfattr.js';
import type { Tree, TreeNode, TreePath } from '../images/tree.js';
import { brokenNode, buildTree, typeOfMode } from '../images/tree.js';

/** Texts of strerror(3) for what lookups and reads on a damaged medium answer. */
const ERRNO_OF_TEXT: Readonly<Record<string, string>> = {
  'Input/output error': 'EIO',
  'File name too long': 'ENAMETOOLONG',
  'No such file or directory': 'ENOENT',
  'Too many levels of symbolic links': 'ELOOP',
  'Structure needs cleaning': 'EUCLEAN',
};

export function parseListing(name: string, outputs: ReadonlyMap<string, Buffer>): Tree {
  const part = (kind: string): string => {
    const bytes = outputs.get(`${name}.${kind}`);
    if (bytes === undefined) throw new Error(`the guest left no listing ${name}.${kind}`);
    return bytes.toString('latin1');
  };
  const targets = new Map(pairs(part('links')).map(([path, target]) => [clean(path), target]));
  const xattrs = parseGetfattr(part('xattrs'));
  const sums = new Map<TreePath, string>();
  for (const record of part('sums').split('\0')) {
    if (record !== '') sums.set(clean(record.slice(66)), record.slice(0, 64));
  }
  const errors = parseErrors(part('errors'));

  const nodes = new Map<TreePath, TreeNode>();
  for (const [facts, quotedPath] of pairs(part('stat'))) {
    const path = clean(quotedPath);
    const attributes = xattrs.get(path);
    nodes.set(path, {
      ...parseStat(facts),
      ...optional('target', targets.get(path)),
      ...optional('sha256', sums.get(path)),
      ...optional('error', errors.get(path)),
      ...optional(
        'xattrs',
        attributes === undefined
          ? undefined
          : Object.fromEntries(
              attributes.map(([key, value]) => [key, Buffer.from(value).toString('hex')]),
            ),
      ),
    });
  }
  for (const [path, error] of errors) {
    if (!nodes.has(path)) nodes.set(path, brokenNode(error));
  }
  return buildTree(nodes);
}

/** "%f %u %g %s %X %Y %Z %h %t %T %i" of stat(1): mode and device numbers are hexadecimal. */
function parseStat(facts: string): TreeNode {
  const fields = facts.split(' ');
  const decimal = (index: number): number => Number(fields[index]);
  const hexadecimal = (index: number): number => Number.parseInt(fields[index] as string, 16);
  const mode = hexadecimal(0);
  const type = typeOfMode(mode);
  const device = type === 'char' || type === 'block';
  return {
    type,
    mode: mode & 0o7777,
    uid: decimal(1),
    gid: decimal(2),
    size: type === 'file' || type === 'symlink' ? decimal(3) : 0,
    atime: decimal(4),
    mtime: decimal(5),
    ctime: decimal(6),
    nlink: decimal(7),
    ino: decimal(10),
    ...(device ? { rdev: { major: hexadecimal(8), minor: hexadecimal(9) } } : {}),
  };
}

/** Messages of find, stat and sha256sum: PROGRAM: …PATH: TEXT, the path quoted when it needs it. */
function parseErrors(text: string): Map<TreePath, string> {
  const errors = new Map<TreePath, string>();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const match = /^(?:\S*\/)?(?:find|stat|sha256sum): (?:cannot statx? )?(.*): ([^:]+)$/.exec(
      line,
    );
    const code = ERRNO_OF_TEXT[match?.[2] ?? ''];
    if (match === null || code === undefined) {
      throw new Error(`the guest's listing failed: ${line}`);
    }
    errors.set(clean(unquoteShell(match[1] as string)), code);
  }
  return errors;
}

/** GNU's ways of quoting: plain, '…' with C escapes (find), or '…' and $'…' in turn (stat). */
function unquoteShell(text: string): string {
  if (!text.includes("'")) return text;
  if (!text.includes("$'")) return unquoteOctal(text.replace(/^'(.*)'$/, '$1'));
  return text.replace(/(\$?)'([^']*)'/g, (_, dollar: string, inner: string) =>
    dollar === '' ? inner : unquoteOctal(inner),
  );
}

function pairs(text: string): [string, string][] {
  const fields = text.split('\0');
  const list: [string, string][] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    list.push([fields[i] as string, fields[i + 1] as string]);
  }
  return list;
}

function clean(path: string): TreePath {
  return path.replace(/^\.\//, '');
}

function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}
