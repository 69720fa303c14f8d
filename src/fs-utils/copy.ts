/**
 * Copies trees, inside an image and over its border. What can be kept is kept; what cannot is
 * counted, and told.
 *
 * What an image says may be meant to harm: names that would lead out of the target are refused, and
 * below the target no link that stands there is followed.
 */
import type { ByteText } from './bytes.js';
import { isSystemError, strerror, systemError } from './errors.js';
import { HostTree } from './host_tree.js';
import { lookup } from './mv.js';
import type { ToolContext } from './tool.js';
import { traverse, type Follow, type Visit } from './traverse.js';
import {
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_TRUNC,
  O_WRONLY,
  S_IFLNK,
  S_IFREG,
  isDirectory,
  isSameFile,
  isSymlink,
  join,
  typeOf,
  type FileStat,
  type Tree,
} from './tree.js';

/** What is kept besides names, content, links' targets and kinds. */
export const KEPT = ['mode', 'ownership', 'timestamps', 'links', 'xattr', 'flags'] as const;
export type Kept = (typeof KEPT)[number];

export interface CopyOptions {
  readonly recursive: boolean;
  readonly follow: Follow;
  readonly keep: ReadonlySet<Kept>;
  /** Remove what stands in the way when it cannot be opened. */
  readonly force?: boolean;
  /** Ask before a file is replaced. */
  readonly asks?: boolean;
  readonly verbose?: boolean;
  /** Remove each source that was copied without any loss. */
  readonly move?: boolean;
}

const CHUNK_BYTES = 1 << 18;
/** Extended attributes set at once on the host. */
const BATCH = 500;
/** Losses of one kind that are told one by one. */
const TOLD_MAX = 5;
const SETID = 0o6000;

interface Frame {
  /** A directory that was made here, and gets its attributes at the end. */
  readonly target: ByteText;
  readonly isNew: boolean;
}

export class Copier {
  readonly #context: ToolContext;
  readonly #from: Tree;
  readonly #to: Tree;
  readonly #options: CopyOptions;
  readonly #losses = new Map<string, number>();
  /** Files with several names: where the first one went. */
  readonly #links = new Map<string, ByteText>();
  #failures = 0;
  /** To do when the attributes of the batch are set: they ask for write permission. */
  #afterBatch: (() => void)[] = [];

  constructor(context: ToolContext, from: Tree, to: Tree, options: CopyOptions) {
    this.#context = context;
    this.#from = from;
    this.#to = to;
    this.#options = options;
  }

  /** Copies `source` to exactly `target`. */
  copy(source: ByteText, target: ByteText): void {
    const lossesBefore = this.#total();
    if (this.#from instanceof HostTree && this.#keeps('xattr')) {
      if (lookup(this.#from, source) !== undefined) this.#from.native.prefetch(source);
    }
    this.#tree(source, target);
    this.#flush();
    if (!this.#options.move) return;
    if (this.#total() > lossesBefore) {
      this.#context.warn(`${source}: not removed, since not all of it was copied`);
    } else this.#remove(source);
  }

  /** Tells what was lost. */
  finish(): void {
    if (this.#losses.size === 0) return;
    const counts = [...this.#losses].map(
      ([what, count]) => `${what} of ${count} file${count === 1 ? '' : 's'}`,
    );
    this.#context.warn(`not kept: ${counts.join(', ')}`);
  }

  #keeps(what: Kept): boolean {
    return this.#options.keep.has(what);
  }

  #total(): number {
    return [...this.#losses.values()].reduce((sum, count) => sum + count, this.#failures);
  }

  #fail(path: ByteText, error: unknown): void {
    this.#failures++;
    this.#context.fail(path, error);
  }

  #lose(what: string, path: ByteText, error: unknown): void {
    const why = strerror(error);
    const count = (this.#losses.get(what) ?? 0) + 1;
    this.#losses.set(what, count);
    if (count <= TOLD_MAX) this.#context.warn(`${path}: ${what} not kept: ${why}`);
    else if (count === TOLD_MAX + 1) this.#context.note(`${what}: more are counted, not named`);
  }

  #try(what: string, path: ByteText, call: () => void): boolean {
    try {
      call();
      return true;
    } catch (error) {
      this.#lose(what, path, error);
      return false;
    }
  }

  #tree(source: ByteText, target: ByteText): void {
    const { recursive, follow } = this.#options;
    const frames: Frame[] = [];
    // A directory that is copied into itself would never end.
    let ownTarget: FileStat | undefined;
    const walk = traverse(this.#from, source, {
      follow: recursive ? follow : follow === 'P' ? 'P' : 'L',
    });
    for (let step = walk.next(); !step.done; ) {
      const visit = step.value;
      const { kind, path, name, level, stat } = visit;
      const above = level === 0 ? undefined : frames[level - 1];
      let skip = false;
      try {
        if (kind === 'error') throw visit.error;
        if (level > 0 && !isSafeName(name)) throw systemError('EINVAL');
        const to = above === undefined ? target : join(above.target, name);
        if (kind === 'enter') {
          if (!recursive) {
            this.#failures++;
            this.#context.warn(`${path}: is a directory, and not copied without -R`);
            skip = true;
          } else if (
            ownTarget !== undefined &&
            this.#from === this.#to &&
            isSameFile(stat, ownTarget)
          ) {
            this.#failures++;
            this.#context.warn(`${path}: is the copy itself, and not copied into itself`);
            skip = true;
          } else {
            frames[level] = this.#enter(to, stat, level);
            if (level === 0) ownTarget = this.#to.lstat(to);
          }
        } else if (kind === 'file') this.#file(visit, to, level);
        else if (frames[level] !== undefined) this.#leave(path, frames[level]!, stat);
      } catch (error) {
        this.#fail(path, error);
        skip = true;
      }
      if (kind === 'enter' && skip) frames.length = level;
      if (kind === 'leave') frames.length = Math.min(frames.length, level);
      step = walk.next(skip);
    }
  }

  /** Makes a directory, or uses the one there is. */
  #enter(target: ByteText, stat: FileStat, level: number): Frame {
    const mode = this.#keeps('mode')
      ? 0o700
      : (stat.mode & 0o777 & ~this.#context.session.umask) | 0o700;
    const old = lookup(this.#to, target, level === 0);
    if (old === undefined) {
      this.#to.mkdir(target, mode);
      this.#say(target);
    } else if (!isDirectory(old)) throw systemError('ENOTDIR');
    return { target, isNew: old === undefined };
  }

  #leave(source: ByteText, { target, isNew }: Frame, stat: FileStat): void {
    if (isNew || this.#options.keep.size > 0) this.#attributes(source, target, stat, isNew);
  }

  #say(target: ByteText): void {
    if (this.#options.verbose) this.#context.out.write(`${target}\n`);
  }

  #file({ path, stat }: Visit, target: ByteText, level: number): void {
    const link = `${stat.dev}:${stat.ino}`;
    const first = stat.nlink > 1 && this.#keeps('links') ? this.#links.get(link) : undefined;
    const isRegular = typeOf(stat) === S_IFREG;
    const old = lookup(this.#to, target);
    if (old !== undefined) {
      if (this.#from === this.#to && isSameFile(stat, old)) {
        this.#failures++;
        this.#context.warn(`${path} and ${target} are the same file`);
        return;
      }
      if (isDirectory(old)) throw systemError('EISDIR');
      const question = `replace ${target}? `;
      if (this.#options.asks && !this.#context.session.confirm(question)) return;
      // What the person named is written through; below it nothing is followed.
      const writesThrough =
        level === 0 && isRegular && first === undefined && this.#options.move !== true;
      if (!writesThrough) this.#to.unlink(target);
    }
    const done = (): void => {
      this.#say(target);
      if (stat.nlink > 1) this.#links.set(link, target);
    };
    if (first !== undefined) {
      try {
        this.#to.link(first, target);
        this.#say(target);
        return;
      } catch (error) {
        this.#lose('hard link', target, error);
      }
    }
    if (isRegular) this.#regular(path, target, stat, level === 0 && old !== undefined);
    else if (typeOf(stat) === S_IFLNK) this.#to.symlink(this.#from.readlink(path), target);
    else if (this.#options.recursive) {
      if (
        !this.#try('special file', path, () =>
          this.#to.mknod(target, stat.mode & 0o170600, stat.rdev),
        )
      )
        return;
    } else throw systemError('EOPNOTSUPP');
    done();
    this.#attributes(path, target, stat, true);
  }

  #regular(source: ByteText, target: ByteText, stat: FileStat, exists: boolean): void {
    const fd = this.#from.open(
      source,
      O_RDONLY | (this.#options.follow === 'P' ? O_NOFOLLOW : 0),
      0,
    );
    try {
      const mode = this.#keeps('mode') ? 0o600 : stat.mode & 0o777 & ~this.#context.session.umask;
      const out = this.#create(target, mode, exists);
      try {
        const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
        let end = 0;
        for (const extent of this.#from.extents(fd)) {
          for (let at = extent.start; at < extent.end; ) {
            const count = this.#from.read(fd, buffer, Math.min(buffer.length, extent.end - at), at);
            if (count === 0) break;
            this.#to.write(out, buffer, count, at);
            at += count;
            end = at;
          }
        }
        const { size } = this.#from.fstat(fd);
        if (end < size) this.#to.ftruncate(out, size);
      } finally {
        this.#to.close(out);
      }
    } finally {
      this.#from.close(fd);
    }
  }

  #create(target: ByteText, mode: number, exists: boolean): number {
    if (!exists) return this.#to.open(target, O_WRONLY | O_CREAT | O_EXCL, mode);
    try {
      return this.#to.open(target, O_WRONLY | O_TRUNC, mode);
    } catch (error) {
      if (!this.#options.force || !isSystemError(error)) throw error;
      this.#to.unlink(target);
      return this.#to.open(target, O_WRONLY | O_CREAT | O_EXCL, mode);
    }
  }

  /** Owner first, since changing it takes bits of the mode and attributes away; times last. */
  #attributes(source: ByteText, target: ByteText, stat: FileStat, isNew: boolean): void {
    let { mode } = stat;
    if (this.#keeps('ownership')) {
      const kept = this.#try('owner', target, () => this.#to.lchown(target, stat.uid, stat.gid));
      // In another's name they would be another's rights.
      if (!kept && (mode & SETID) !== 0 && this.#keeps('mode')) {
        mode &= ~SETID;
        this.#lose('set-id bits', target, systemError('EPERM'));
      }
    }
    const rest = (): void => {
      if (this.#keeps('mode') && !isSymlink(stat)) {
        this.#try('mode', target, () => this.#to.chmod(target, mode & 0o7777));
      } else if (isNew && isDirectory(stat)) {
        const usual = mode & 0o777 & ~this.#context.session.umask;
        this.#try('mode', target, () => this.#to.chmod(target, usual));
      }
      if (this.#keeps('timestamps')) {
        this.#try('times', target, () => this.#to.lutimes(target, stat.atime, stat.mtime));
      }
      if (this.#keeps('flags') && stat.flags !== 0) {
        this.#try('file flags', target, () => this.#to.chflags(target, stat.flags, false));
      }
    };
    if (this.#keeps('xattr') && this.#xattrs(source, target)) this.#afterBatch.push(rest);
    else rest();
    if (this.#afterBatch.length >= BATCH) this.#flush();
  }

  /** @returns whether some are set later, with the batch. */
  #xattrs(source: ByteText, target: ByteText): boolean {
    let isLater = false;
    this.#try('extended attributes', source, () => {
      for (const [name, value] of this.#from.xattrs(source)) {
        const lose = (error: unknown): void =>
          this.#lose('extended attributes', `${target}: ${name}`, error);
        if (this.#to instanceof HostTree) {
          this.#to.native.laterSetxattr(target, name, value, lose);
          isLater = true;
        } else {
          try {
            this.#to.setxattr(target, name, value);
          } catch (error) {
            lose(error);
          }
        }
      }
    });
    return isLater;
  }

  #flush(): void {
    if (this.#to instanceof HostTree) this.#to.native.flush();
    const waiting = this.#afterBatch;
    this.#afterBatch = [];
    for (const call of waiting) call();
  }

  #remove(source: ByteText): void {
    for (const { kind, path, error } of traverse(this.#from, source)) {
      this.#context.try(path, () => {
        if (kind === 'error') throw error;
        if (kind === 'file') this.#from.unlink(path);
        if (kind === 'leave') this.#from.rmdir(path);
      });
    }
  }
}

/** What a name in a directory must not be: it would lead elsewhere. */
const isSafeName = (name: ByteText): boolean => !/^$|^\.\.?$|[/\0]/.test(name);
