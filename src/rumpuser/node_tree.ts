/**
 * A directory of the host into which a tree from an untrusted image is written.
 *
 * The model: the image is hostile, the directory is ours. It is made anew, or must be empty, so
 * that nothing lies in it that somebody planted beforehand; what the image plants (symbolic links
 * out of the target, say) is never followed:
 *
 * - every directory is opened by its parent's descriptor with O_NOFOLLOW | O_DIRECTORY, and all
 *   work in it goes through that descriptor (`/proc/self/fd/N/NAME`): a name is one component;
 * - files are made with O_CREAT | O_EXCL | O_NOFOLLOW; attributes are set on the open descriptor,
 *   or with the calls that do not follow links (lchown, lutimes);
 * - names that are empty, ".", "..", or hold "/" or NUL are refused here once more, and on Windows
 *   those that mean something else there (see host_name.ts).
 *
 * Where there is no /proc/self/fd (macOS, Windows), paths are used instead, and each directory is
 * looked at with lstat before it is entered; who can change the target meanwhile could then lead us
 * out.
 *
 * Names are bytes, one character each. Every call answers what could not be done, as a sentence, or
 * null; nothing but a mistake of ours is thrown.
 */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { isPlainName } from './host_name.js';
import { HostError } from './rumpuser.js';

/** Times in seconds since 1970. */
export interface HostTreeAttributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly atime: number;
  readonly mtime: number;
  readonly xattrs: readonly { readonly name: string; readonly value: Uint8Array }[];
}

export interface HostTreeOptions {
  /** Default: only root's process gives files away. */
  readonly keepOwners?: boolean;
  /** Devices, fifos and sockets. Default: yes. */
  readonly keepSpecial?: boolean;
}

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_DIRECTORY = 0 } = fs.constants;

const NEW_FILE = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
/** Files up to this are put together in memory and written at once. */
const AT_ONCE_BYTES_MAX = 1 << 20;
const SLASH = Buffer.from('/');
const SET_ID_BITS = 0o6000;

interface OpenDirectory {
  /** -1 where names go by paths. */
  readonly fd: number;
  readonly path: Buffer;
  /** Lines for the shell, and whom they are about. */
  readonly later: { line: string; about: string }[];
}

export class HostTree {
  readonly #open: OpenDirectory[] = [];
  readonly #byDescriptor: boolean;
  readonly #keepOwners: boolean;
  readonly #keepSpecial: boolean;
  readonly #uid = process.geteuid?.() ?? -1;
  readonly #gid = process.getegid?.() ?? -1;
  readonly #umask = process.umask(0);
  #buffer = new Uint8Array(64 << 10);

  /**
   * @param root is made, or must be an empty directory.
   * @throws HostError ENOTEMPTY, ENOTDIR, EACCES, …
   */
  constructor(root: string, options: HostTreeOptions = {}) {
    this.#keepOwners = options.keepOwners ?? this.#uid === 0;
    this.#keepSpecial = options.keepSpecial ?? true;
    // Wine shows Linux's /proc to programs of Windows, which cannot use it.
    this.#byDescriptor = process.platform !== 'win32' && fs.existsSync('/proc/self/fd');
    try {
      try {
        fs.mkdirSync(root, 0o700);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      this.#open.push(this.#opened(root, Buffer.from(path.resolve(root))));
      if (fs.readdirSync(root).length > 0) {
        this.close();
        const message = `${root} is not empty; give a directory that is new or empty`;
        throw new HostError('ENOTEMPTY', message, root);
      }
    } catch (error) {
      process.umask(this.#umask);
      if (error instanceof HostError) throw error;
      const { code = 'EIO', message } = error as NodeJS.ErrnoException;
      const isLink = code === 'ELOOP' || code === 'ENOTDIR';
      throw new HostError(code, isLink ? `${root} is no directory` : message, root);
    }
  }

  /** Ends the work, wherever it stands. */
  close(): void {
    for (const directory of this.#open.splice(0)) closeDirectory(directory);
    process.umask(this.#umask);
  }

  enter(name: string): string | null {
    return this.#try(name, (at) => {
      fs.mkdirSync(at, 0o700);
      this.#open.push(this.#below(this.#open.at(-1)!, name));
      return [];
    });
  }

  /** @throws ErrnoException ENOTDIR, ELOOP: it is none, or a link to one. */
  #opened(at: Buffer | string, here: Buffer): OpenDirectory {
    if (this.#byDescriptor) {
      const fd = fs.openSync(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      return { fd, path: here, later: [] };
    }
    if (!fs.lstatSync(at).isDirectory()) {
      throw Object.assign(new Error('is no directory'), { code: 'ENOTDIR' });
    }
    return { fd: -1, path: here, later: [] };
  }

  #below(directory: OpenDirectory, name: string): OpenDirectory {
    const here = Buffer.concat([directory.path, SLASH, Buffer.from(name, 'latin1')]);
    return this.#opened(this.#at(directory, name), here);
  }

  leave(attributes: HostTreeAttributes): string | null {
    const directory = this.#open.pop()!;
    const { atime, mtime, uid, gid } = attributes;
    const lost: string[] = [];
    const at = this.#byDescriptor ? `/proc/self/fd/${directory.fd}` : directory.path;
    try {
      lost.push(...this.#runLater(directory, directory.later));
      if (attributes.xattrs.length > 0) {
        lost.push(...this.#runLater(directory, xattrLines('.', attributes)));
      }
      if (this.#gives(attributes)) this.#keep(lost, 'owner', () => fs.chownSync(at, uid, gid));
      this.#keep(lost, 'mode', () => fs.chmodSync(at, this.#modeOf(attributes, lost)));
      this.#keep(lost, 'times', () => fs.utimesSync(at, atime, mtime));
    } finally {
      closeDirectory(directory);
      if (this.#open.length === 0) process.umask(this.#umask);
    }
    return lost.length === 0 ? null : lost.join('; ');
  }

  file(
    name: string,
    size: number,
    pieces: Iterable<{ readonly from: number; readonly bytes: Uint8Array }>,
    attributes: HostTreeAttributes,
  ): string | null {
    return this.#try(name, (at) => {
      const fd = fs.openSync(at, NEW_FILE, 0o600);
      const lost: string[] = [];
      try {
        this.#write(fd, size, pieces);
        const { uid, gid } = attributes;
        if (this.#gives(attributes)) this.#keep(lost, 'owner', () => fs.fchownSync(fd, uid, gid));
        this.#keep(lost, 'mode', () => fs.fchmodSync(fd, this.#modeOf(attributes, lost)));
        this.#later(name, xattrLines(name, attributes));
        this.#keep(lost, 'times', () => fs.futimesSync(fd, attributes.atime, attributes.mtime));
      } finally {
        fs.closeSync(fd);
      }
      return lost;
    });
  }

  symlink(name: string, target: string, attributes: HostTreeAttributes): string | null {
    return this.#try(name, (at) => {
      const lost: string[] = [];
      if (target === '') return ['an empty target'];
      fs.symlinkSync(Buffer.from(target, 'latin1'), at);
      if (this.#gives(attributes)) {
        this.#keep(lost, 'owner', () => fs.lchownSync(at, attributes.uid, attributes.gid));
      }
      this.#keep(lost, 'times', () => fs.lutimesSync(at, attributes.atime, attributes.mtime));
      this.#later(name, xattrLines(name, attributes));
      return lost;
    });
  }

  special(
    name: string,
    type: 'char' | 'block' | 'fifo' | 'socket',
    device: { readonly major: number; readonly minor: number },
    attributes: HostTreeAttributes,
  ): string | null {
    return this.#try(name, () => {
      if (!this.#keepSpecial) return [];
      if (type === 'socket') return ['socket: it cannot be made without a program that listens'];
      if (type !== 'fifo' && this.#uid !== 0) return [`${type} device: only root can make it`];
      const { major, minor } = device;
      const numbers = type === 'fifo' ? '' : ` ${major} ${minor}`;
      const letter = { char: 'c', block: 'b', fifo: 'p' }[type];
      const quoted = quote(name);
      const mode = (attributes.mode & 0o7777).toString(8);
      const lines = [`mknod -m ${mode} ${quoted} ${letter}${numbers}`];
      if (this.#gives(attributes))
        lines.push(`chown -h ${attributes.uid}:${attributes.gid} ${quoted}`);
      if (attributes.mode & SET_ID_BITS) lines.push(`chmod ${mode} ${quoted}`);
      lines.push(...xattrLines(name, attributes).map(({ line }) => line));
      lines.push(
        `touch -h -d @${attributes.atime} -a ${quoted}`,
        `touch -h -d @${attributes.mtime} -m ${quoted}`,
      );
      this.#later(name, [{ line: lines.join(' && '), about: type }]);
      return [];
    });
  }

  link(name: string, existing: readonly string[]): string | null {
    return this.#try(name, (at) => {
      // Down from the target again, each directory opened without following anything.
      const opened: OpenDirectory[] = [];
      try {
        let directory = this.#open[0]!;
        for (const step of existing.slice(0, -1)) {
          directory = this.#below(directory, step);
          opened.push(directory);
        }
        fs.linkSync(this.#at(directory, existing.at(-1)!), at);
      } finally {
        for (const directory of opened) closeDirectory(directory);
      }
      return [];
    });
  }

  /** Runs a call on a name of the open directory; errors of the host become sentences. */
  #try(name: string, call: (at: Buffer | string) => string[]): string | null {
    if (!isPlainName(name)) return 'a name that could lead out of the target';
    try {
      const lost = call(this.#at(this.#open.at(-1)!, name));
      return lost.length === 0 ? null : lost.join('; ');
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      return code === 'EEXIST'
        ? 'the name is taken in the target'
        : message.replace(/, \w+ .*/, '');
    }
  }

  /** Text where that is the same: Node takes it faster. */
  #at(directory: OpenDirectory, name: string): Buffer | string {
    const prefix = `/proc/self/fd/${directory.fd}/`;
    if (this.#byDescriptor && isAscii(name)) return prefix + name;
    return Buffer.concat([
      this.#byDescriptor ? Buffer.from(prefix) : Buffer.concat([directory.path, SLASH]),
      Buffer.from(name, 'latin1'),
    ]);
  }

  #write(
    fd: number,
    size: number,
    pieces: Iterable<{ readonly from: number; readonly bytes: Uint8Array }>,
  ): void {
    if (size > AT_ONCE_BYTES_MAX) {
      let end = 0;
      for (const { from, bytes } of pieces) {
        for (let done = 0; done < bytes.length; ) {
          done += fs.writeSync(fd, bytes, done, bytes.length - done, from + done);
        }
        end = from + bytes.length;
      }
      if (end < size) fs.ftruncateSync(fd, size);
      return;
    }
    if (this.#buffer.length < size) this.#buffer = new Uint8Array(AT_ONCE_BYTES_MAX);
    const buffer = this.#buffer;
    let end = 0;
    for (const { from, bytes } of pieces) {
      if (from > end) buffer.fill(0, end, from);
      buffer.set(bytes, from);
      end = from + bytes.length;
    }
    for (let done = 0; done < end; ) done += fs.writeSync(fd, buffer, done, end - done, done);
    if (end < size) fs.ftruncateSync(fd, size);
  }

  #gives({ uid, gid }: HostTreeAttributes): boolean {
    return this.#keepOwners && (uid !== this.#uid || gid !== this.#gid);
  }

  /** A set-id bit under another owner than the image's would be a gift to a stranger. */
  #modeOf({ mode, uid, gid }: HostTreeAttributes, lost: string[]): number {
    const isOwner = this.#keepOwners || (uid === this.#uid && gid === this.#gid);
    if (isOwner || (mode & SET_ID_BITS) === 0) return mode;
    lost.push('set-id bits: the owner is not kept');
    return mode & ~SET_ID_BITS;
  }

  #keep(lost: string[], what: string, call: () => void): void {
    try {
      call();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      lost.push(`${what}: ${code}`);
    }
  }

  #later(_name: string, lines: readonly { line: string; about: string }[]): void {
    this.#open.at(-1)!.later.push(...lines);
  }

  /** Node has no mknod and no setxattr: a shell does it, in the directory itself. */
  #runLater(
    { fd, path: here }: OpenDirectory,
    lines: readonly { line: string; about: string }[],
  ): string[] {
    if (lines.length === 0) return [];
    const script = lines.map(({ line }, n) => `{ ${line}; } 2>/dev/null || echo ${n}`).join('\n');
    const cwd = this.#byDescriptor ? `/proc/${process.pid}/fd/${fd}` : here.toString();
    const { stdout, error } = spawnSync('sh', ['-s'], {
      cwd,
      input: Buffer.from(script, 'latin1'),
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...process.env, LC_ALL: 'C' },
    });
    if (error) return lines.map(({ about }) => `${about}: ${error.message}`);
    const failed = stdout
      .toString()
      .split('\n')
      .filter((line) => line !== '');
    return failed.map((n) => `${lines[Number(n)]!.about}: could not be made`);
  }
}

function closeDirectory({ fd }: OpenDirectory): void {
  if (fd >= 0) fs.closeSync(fd);
}

function isAscii(name: string): boolean {
  for (let i = 0; i < name.length; i++) if (name.charCodeAt(i) > 0x7f) return false;
  return true;
}

/** For the shell: bytes in quotes, never taken for an option. */
const quote = (name: string): string => `'./${name.replaceAll("'", "'\\''")}'`;

function xattrLines(
  name: string,
  { xattrs }: HostTreeAttributes,
): { line: string; about: string }[] {
  return xattrs.map((xattr) => {
    const value = Buffer.from(xattr.value).toString('hex');
    const key = `'${xattr.name.replaceAll("'", "'\\''")}'`;
    const line = `setfattr -h -n ${key} -v 0x${value} ${quote(name)}`;
    return { line, about: `extended attribute ${xattr.name} of ${name}` };
  });
}
