/**
 * The words after -o: one table for what every mount understands, joined by each executable's own.
 * The tables are data; help texts and manual pages are made from them.
 */

/** What becomes of a word. */
export type MountOptionFate =
  /** Passed to the kernel. */
  | 'kernel'
  /** Changes the session with the kernel. */
  | 'session'
  /** For the file system. */
  | 'file system'
  /** For mount(8), fstab or libfuse's mount helpers: accepted and without effect here. */
  | 'accepted'
  /** Known, and not offered; `meaning` says what to do instead. */
  | 'refused';

export interface MountOptionRow {
  /** The word; ending in "*", any word that starts so. */
  readonly name: string;
  /** What stands after "=", for help texts; absent: a plain word. */
  readonly value?: string;
  readonly fate: MountOptionFate;
  /** Half a sentence for help texts and manual pages. */
  readonly meaning: string;
  /** Checks and converts a value. @throws Error saying what is expected. */
  readonly parse?: (text: string) => unknown;
}

export interface ParsedMountOptions {
  readonly readOnly: boolean;
  readonly kernel: readonly string[];
  /** By name; plain words are true. */
  readonly session: Readonly<Record<string, unknown>>;
  readonly fileSystem: Readonly<Record<string, unknown>>;
}

/** Wrong words on the command line; the message is for the user. */
export class MountOptionError extends Error {
  override get name(): string {
    return 'MountOptionError';
  }
}

const seconds = (text: string): number => {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new Error('expected seconds, as 60 or 0.5');
  return Number(text);
};

const TRANSPORTS = ['kernel', 'fuse-native'] as const;
export type TransportName = (typeof TRANSPORTS)[number];

function transport(text: string): TransportName {
  const found = TRANSPORTS.find((name) => name === text);
  if (found === undefined) throw new Error(`expected ${TRANSPORTS.join(' or ')}`);
  return found;
}

/** The words of mount(8), fstab and FUSE. */
export const GENERIC_MOUNT_OPTIONS: readonly MountOptionRow[] = [
  { name: 'ro', fate: 'kernel', meaning: 'read-only: no file is created or changed' },
  { name: 'rw', fate: 'kernel', meaning: 'read and write (the default)' },
  { name: 'suid', fate: 'kernel', meaning: 'honour set-id bits; by root only' },
  { name: 'nosuid', fate: 'kernel', meaning: 'ignore set-id bits (the default)' },
  { name: 'dev', fate: 'kernel', meaning: 'device nodes work; by root only' },
  { name: 'nodev', fate: 'kernel', meaning: 'device nodes do not work (the default)' },
  { name: 'exec', fate: 'kernel', meaning: 'programs may be run (the default)' },
  { name: 'noexec', fate: 'kernel', meaning: 'programs may not be run' },
  { name: 'noatime', fate: 'kernel', meaning: 'do not update access times' },
  { name: 'atime', fate: 'kernel', meaning: 'leave access times to the kernel' },
  { name: 'nodiratime', fate: 'kernel', meaning: 'do not update access times of directories' },
  { name: 'dirsync', fate: 'kernel', meaning: 'changes of directories are synchronous' },
  {
    name: 'allow_other',
    fate: 'kernel',
    meaning: 'other users may look in (root: the default; users: see fuse.conf)',
  },
  { name: 'sync', fate: 'session', meaning: 'every write is on the medium before it returns' },
  { name: 'async', fate: 'accepted', meaning: 'the opposite of sync (the default)' },
  {
    name: 'default_permissions',
    fate: 'accepted',
    meaning: 'the kernel checks permissions (always so)',
  },
  {
    name: 'writeback_cache',
    fate: 'session',
    meaning: 'the kernel collects writes (the default); lseek(2) then shows no holes',
  },
  { name: 'no_writeback_cache', fate: 'session', meaning: 'each write(2) reaches the file system' },
  {
    name: 'entry_timeout',
    value: 'SECONDS',
    fate: 'session',
    parse: seconds,
    meaning: 'how long the kernel may cache names',
  },
  {
    name: 'attr_timeout',
    value: 'SECONDS',
    fate: 'session',
    parse: seconds,
    meaning: 'how long the kernel may cache attributes',
  },
  {
    name: 'negative_timeout',
    value: 'SECONDS',
    fate: 'session',
    parse: seconds,
    meaning: 'how long the kernel may cache that a name does not exist',
  },
  {
    name: 'request_timeout',
    value: 'SECONDS',
    fate: 'session',
    parse: seconds,
    meaning: 'when the kernel gives up a server that does not answer; 0: never',
  },
  {
    name: 'transport',
    value: 'NAME',
    fate: 'session',
    parse: transport,
    meaning: 'kernel, or fuse-native: through the npm package (macOS: the default)',
  },
  {
    name: 'fsname',
    value: 'TEXT',
    fate: 'session',
    parse: (text) => text,
    meaning: 'what /proc/mounts shows as the source',
  },
  { name: 'subtype', value: 'TEXT', fate: 'accepted', meaning: "libfuse's" },
  {
    name: 'auto_unmount',
    fate: 'accepted',
    meaning: 'clean up when the server is killed (always so)',
  },
  { name: 'relatime', fate: 'accepted', meaning: '' },
  { name: 'strictatime', fate: 'accepted', meaning: '' },
  { name: 'diratime', fate: 'accepted', meaning: '' },
  { name: 'defaults', fate: 'accepted', meaning: '' },
  { name: 'auto', fate: 'accepted', meaning: '' },
  { name: 'noauto', fate: 'accepted', meaning: '' },
  { name: 'user', fate: 'accepted', meaning: '' },
  { name: 'user', value: 'NAME', fate: 'accepted', meaning: '' },
  { name: 'nouser', fate: 'accepted', meaning: '' },
  { name: 'users', fate: 'accepted', meaning: '' },
  { name: 'owner', fate: 'accepted', meaning: '' },
  { name: 'group', fate: 'accepted', meaning: '' },
  { name: 'nofail', fate: 'accepted', meaning: '' },
  { name: '_netdev', fate: 'accepted', meaning: '' },
  { name: 'comment', value: 'TEXT', fate: 'accepted', meaning: '' },
  { name: 'x-*', fate: 'accepted', meaning: '' },
  {
    name: 'remount',
    fate: 'refused',
    meaning: 'FUSE does not tell the server about a remount; unmount and mount again',
  },
  { name: 'allow_root', fate: 'refused', meaning: 'use allow_other' },
];

/**
 * Cuts an -o text into words. A comma inside double quotes, or after a backslash, belongs to the
 * word; mount(8) and libfuse have these two spellings.
 */
export function splitMountOptions(text: string): string[] {
  const words: string[] = [];
  let word = '';
  let isQuoted = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (character === '\\' && i + 1 < text.length) word += text[++i];
    else if (character === '"') isQuoted = !isQuoted;
    else if (character === ',' && !isQuoted) {
      words.push(word);
      word = '';
    } else word += character;
  }
  words.push(word);
  return words.filter((each) => each !== '');
}

/**
 * Reads all -o texts of a command line; of contradicting words the last one counts.
 * @throws MountOptionError naming the word.
 */
export function parseMountOptions(
  texts: readonly string[],
  ownRows: readonly MountOptionRow[],
): ParsedMountOptions {
  const rows = [...ownRows, ...GENERIC_MOUNT_OPTIONS];
  const kernel = new Map<string, string>();
  const session: Record<string, unknown> = {};
  const fileSystem: Record<string, unknown> = {};
  for (const word of texts.flatMap(splitMountOptions)) {
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    const value = equals < 0 ? undefined : word.slice(equals + 1);
    const candidates = rows.filter((row) => matches(row, name));
    if (candidates.length === 0) {
      throw new MountOptionError(`unknown mount option "${word}"; --help lists those that exist`);
    }
    const row = candidates.find(
      (each) => each.name.endsWith('*') || (each.value === undefined) === (value === undefined),
    );
    if (row === undefined) {
      const expected = candidates[0]!.value;
      throw new MountOptionError(
        expected === undefined
          ? `mount option "${name}" takes no value`
          : `mount option "${name}" needs a value: ${name}=${expected}`,
      );
    }
    switch (row.fate) {
      case 'accepted':
        break;
      case 'refused':
        throw new MountOptionError(`mount option "${name}" is not offered: ${row.meaning}`);
      case 'kernel':
        kernel.set(switchOf(name), name);
        break;
      case 'session':
        session[name] = parseValue(row, value);
        break;
      case 'file system':
        fileSystem[name] = parseValue(row, value);
        break;
    }
  }
  return {
    readOnly: kernel.get('rw') === 'ro',
    kernel: [...kernel.values()],
    session,
    fileSystem,
  };
}

const matches = (row: MountOptionRow, name: string): boolean =>
  row.name.endsWith('*') ? name.startsWith(row.name.slice(0, -1)) : row.name === name;

/** What a word and its opposite turn. */
const switchOf = (name: string): string =>
  name === 'ro' ? 'rw' : name.replace(/^no(?=suid|dev|exec|atime|diratime)/, '');

function parseValue(row: MountOptionRow, value: string | undefined): unknown {
  if (value === undefined) return true;
  try {
    return row.parse === undefined ? value : row.parse(value);
  } catch (error) {
    throw new MountOptionError(`mount option "${row.name}=${value}": ${(error as Error).message}`);
  }
}
