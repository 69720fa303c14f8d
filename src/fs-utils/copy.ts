/**
 * Copies trees: inside an image, over its border, from one image to another. What can be kept is
 * kept; what cannot is counted, and told at the end. A target that takes an attribute and stores
 * another (a time that it rounds, a mode that it does not have) is found out by looking.
 *
 * What an image says may be meant to harm: names that would lead out of the target are refused, and
 * below the target no link that stands there is followed.
 */
import type { ByteText } from './bytes.js';
import { isSystemError, strerror, systemError } from './errors.js';
import { HostTree } from './host_tree.js';
import { ImageTree } from './image_tree.js';
import { Losses } from './losses.js';
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
  basename,
  isDevice,
  isDirectory,
  isSameFile,
  isSymlink,
  join,
  lookup,
  typeOf,
  type Extent,
  type FileStat,
  type Timespec,
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
  /** A time that the target rounds is a loss. Else only if by more than any file system does. */
  readonly exactTimes?: boolean;
}

const CHUNK_BYTES = 1 << 18;
/** Extended attributes set at once on the host. */
const BATCH = 500;
const SETID = 0o6000;
/** FAT's unit of modification times, the largest; of access times it has a date only. */
const TIME_UNIT_NSEC = 2e9;
const DAY_NSEC = 86_400e9;

/** What a file system says to a name that it cannot have, or to a thing that it has not. */
const NAME_REFUSALS = ['EINVAL', 'ENAMETOOLONG', 'EILSEQ'];
const REFUSALS = [...NAME_REFUSALS, 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'EPERM'];

const isRefusal = (error: unknown): boolean =>
  isSystemError(error) && REFUSALS.includes(error.code);

interface Frame {
  /** A directory that was made here, and gets its attributes at the end. */
  readonly target: ByteText;
  readonly isNew: boolean;
  /** Names in it, as they are spelled there; found out when first needed. */
  names?: Set<ByteText>;
}

export class Copier {
  readonly #context: ToolContext;
  readonly #from: Tree;
  readonly #to: Tree;
  readonly #options: CopyOptions;
  readonly #losses = new Losses();
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
      this.#from.prefetchXattrs(source);
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
    for (const line of this.#losses.lines()) this.#context.warn(line);
  }

  #keeps(what: Kept): boolean {
    return this.#options.keep.has(what);
  }

  #total(): number {
    return this.#losses.count + this.#failures;
  }

  #fail(path: ByteText, error: unknown): void {
    this.#failures++;
    this.#context.fail(path, error);
  }

  #lose(what: string, path: ByteText, error: unknown): void {
    this.#losses.add(what, path, strerror(error));
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

  /** Makes something; a refusal means that the target has nothing of that kind, or name. */
  #make(what: string, path: ByteText, call: () => void): boolean {
    try {
      call();
      return true;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const isName = isSystemError(error) && NAME_REFUSALS.includes(error.code);
      this.#lose(isName ? 'name' : what, path, error);
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
            const frame = this.#enter(path, to, stat, above);
            if (frame === undefined) skip = true;
            else frames[level] = frame;
            if (level === 0 && frame !== undefined) ownTarget = this.#to.lstat(to);
          }
        } else if (kind === 'file') this.#file(visit, to, above);
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

  /** Makes a directory, or uses the one there is. undefined: the target can have none. */
  #enter(
    source: ByteText,
    target: ByteText,
    stat: FileStat,
    above: Frame | undefined,
  ): Frame | undefined {
    const mode = this.#keeps('mode')
      ? 0o700
      : (stat.mode & 0o777 & ~this.#context.session.umask) | 0o700;
    const old = lookup(this.#to, target, above === undefined);
    if (old === undefined) {
      if (!this.#make('directory', source, () => this.#to.mkdir(target, mode))) return undefined;
      this.#say(target);
      above?.names?.add(basename(target));
    } else if (!isDirectory(old)) throw systemError('ENOTDIR');
    else if (!this.#isSpelledSo(source, target, above)) return undefined;
    return { target, isNew: old === undefined };
  }

  /** Is what was found there of that very name, and not of one that only differs in case? */
  #isSpelledSo(source: ByteText, target: ByteText, above: Frame | undefined): boolean {
    if (above === undefined) return true;
    above.names ??= new Set(this.#to.readdir(above.target));
    if (above.names.has(basename(target))) return true;
    this.#losses.add('name', source, 'another file of the target goes by it');
    return false;
  }

  #leave(source: ByteText, { target, isNew }: Frame, stat: FileStat): void {
    if (isNew || this.#options.keep.size > 0) this.#attributes(source, target, stat, isNew);
  }

  #say(target: ByteText): void {
    if (this.#options.verbose) this.#context.out.write(`${target}\n`);
  }

  #file({ path, stat }: Visit, target: ByteText, above: Frame | undefined): void {
    const link = `${stat.dev}:${stat.ino}`;
    const first = stat.nlink > 1 && this.#keeps('links') ? this.#links.get(link) : undefined;
    const isRegular = typeOf(stat) === S_IFREG;
    const old = lookup(this.#to, target);
    let writesThrough = false;
    if (old !== undefined) {
      if (this.#from === this.#to && isSameFile(stat, old)) {
        this.#failures++;
        this.#context.warn(`${path} and ${target} are the same file`);
        return;
      }
      if (!this.#isSpelledSo(path, target, above)) return;
      if (isDirectory(old)) throw systemError('EISDIR');
      const question = `replace ${target}? `;
      if (this.#options.asks && !this.#context.session.confirm(question)) return;
      // What the person named is written through; below it nothing is followed.
      writesThrough =
        above === undefined && isRegular && first === undefined && this.#options.move !== true;
      if (!writesThrough) this.#to.unlink(target);
    }
    if (first !== undefined) {
      try {
        this.#to.link(first, target);
        this.#made(target, above);
        return;
      } catch (error) {
        this.#lose('hard link', path, error);
      }
    }
    if (!this.#node(path, target, stat, writesThrough)) return;
    this.#made(target, above);
    if (stat.nlink > 1) this.#links.set(link, target);
    this.#attributes(path, target, stat, true);
  }

  #made(target: ByteText, above: Frame | undefined): void {
    this.#say(target);
    above?.names?.add(basename(target));
  }

  /** @returns whether the target has such a thing. */
  #node(source: ByteText, target: ByteText, stat: FileStat, exists: boolean): boolean {
    switch (typeOf(stat)) {
      case S_IFREG:
        return this.#regular(source, target, stat, exists);
      case S_IFLNK: {
        const text = this.#from.readlink(source);
        return this.#make('symbolic link', source, () => this.#to.symlink(text, target));
      }
      default:
        if (!this.#options.recursive) throw systemError('EOPNOTSUPP');
        return this.#try('special file', source, () =>
          this.#to.mknod(target, stat.mode & 0o170600, stat.rdev),
        );
    }
  }

  #regular(source: ByteText, target: ByteText, stat: FileStat, exists: boolean): boolean {
    const nofollow = this.#options.follow === 'P' ? O_NOFOLLOW : 0;
    const fd = this.#from.open(source, O_RDONLY | nofollow, 0);
    try {
      const mode = this.#keeps('mode') ? 0o600 : stat.mode & 0o777 & ~this.#context.session.umask;
      let out = -1;
      const isMade = this.#make('file', source, () => {
        out = this.#create(target, mode, exists);
      });
      if (!isMade) return false;
      try {
        const { size } = this.#from.fstat(fd);
        const extents = this.#content(fd, out, size);
        this.#verifyHoles(source, out, extents, size);
      } finally {
        this.#to.close(out);
      }
    } catch (error) {
      if (!isSystemError(error) || error.code !== 'EFBIG') throw error;
      // Half of it would pass for all.
      this.#to.unlink(target);
      this.#lose('content', source, error);
      return false;
    } finally {
      this.#from.close(fd);
    }
    return true;
  }

  /** Copies what a file holds, and leaves out its holes. @returns where there were none. */
  #content(fd: number, out: number, size: number): Extent[] {
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    const extents: Extent[] = [];
    let end = 0;
    for (const extent of this.#from.extents(fd)) {
      extents.push(extent);
      for (let at = extent.start; at < extent.end; ) {
        const count = this.#from.read(fd, buffer, Math.min(buffer.length, extent.end - at), at);
        if (count === 0) break;
        this.#to.write(out, buffer, count, at);
        at += count;
        end = at;
      }
    }
    if (end < size) this.#to.ftruncate(out, size);
    return extents;
  }

  /** A hole that is as large as a block of the target and is none there: it has no holes. */
  #verifyHoles(source: ByteText, out: number, extents: readonly Extent[], size: number): void {
    if (!(this.#to instanceof ImageTree)) return;
    const { blksize } = this.#to.fstat(out);
    const starts = [...extents.map(({ start }) => start), size];
    const hasHole = starts.some((end, i) => {
      const begin = Math.ceil((extents[i - 1]?.end ?? 0) / blksize) * blksize;
      return end - begin >= blksize;
    });
    if (!hasHole) return;
    const [first] = this.#to.extents(out);
    if (first?.start === 0 && first.end >= size) {
      this.#losses.add('holes', source, 'the target has none');
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
    /** What has been told of this file. */
    const lost = new Set<string>();
    const set = (what: string, call: () => void): boolean => {
      const isKept = this.#try(what, source, call);
      if (!isKept) lost.add(what);
      return isKept;
    };
    if (this.#keeps('ownership')) {
      const isKept = set('owner', () => this.#to.lchown(target, stat.uid, stat.gid));
      // In another's name they would be another's rights.
      if (!isKept && (mode & SETID) !== 0 && this.#keeps('mode')) {
        mode &= ~SETID;
        this.#lose('set-id bits', source, systemError('EPERM'));
      }
    }
    const rest = (): void => {
      if (this.#keeps('mode') && !isSymlink(stat)) {
        set('mode', () => this.#to.chmod(target, mode & 0o7777));
      } else if (isNew && isDirectory(stat)) {
        const usual = mode & 0o777 & ~this.#context.session.umask;
        set('mode', () => this.#to.chmod(target, usual));
      }
      if (this.#keeps('timestamps')) {
        set('times', () => this.#to.lutimes(target, stat.atime, stat.mtime));
      }
      if (this.#keeps('flags') && stat.flags !== 0) {
        set('file flags', () => this.#to.chflags(target, stat.flags, false));
      }
      this.#try('attributes', source, () => this.#verify(source, target, { ...stat, mode }, lost));
    };
    if (this.#keeps('xattr') && this.#xattrs(source, target)) this.#afterBatch.push(rest);
    else rest();
    if (this.#afterBatch.length >= BATCH) this.#flush();
  }

  /** Finds out what the target took and did not store. */
  #verify(source: ByteText, target: ByteText, want: FileStat, lost: ReadonlySet<string>): void {
    const have = this.#to.lstat(target);
    const check = (what: string, isKept: boolean, why = 'stored otherwise'): void => {
      if (!isKept && !lost.has(what)) this.#losses.add(what, source, why);
    };
    if (this.#keeps('ownership')) check('owner', have.uid === want.uid && have.gid === want.gid);
    if (this.#keeps('mode') && !isSymlink(want)) {
      check('mode', (have.mode & 0o7777) === (want.mode & 0o7777));
    }
    if (isDevice(want)) check('device number', have.rdev === want.rdev);
    if (this.#keeps('timestamps') && !lost.has('times')) {
      const { exactTimes = false } = this.#options;
      const time = (what: string, is: Timespec, was: Timespec, unitNsec: number): void => {
        const error = Math.abs((is.sec - was.sec) * 1e9 + (is.nsec - was.nsec));
        const isKept = exactTimes ? error === 0 : error < unitNsec;
        check(what, isKept, error < DAY_NSEC ? 'rounded' : 'out of range');
      };
      time('modification time', have.mtime, want.mtime, TIME_UNIT_NSEC);
      time('access time', have.atime, want.atime, DAY_NSEC);
    }
    if (this.#keeps('flags')) check('file flags', have.flags === want.flags);
  }

  /** @returns whether some are set later, with the batch. */
  #xattrs(source: ByteText, target: ByteText): boolean {
    let isLater = false;
    this.#try('extended attributes', source, () => {
      for (const [name, value] of this.#from.xattrs(source)) {
        const lose = (error: unknown): void =>
          this.#lose('extended attribute', `${source}: ${name}`, error);
        if (this.#to instanceof HostTree) {
          this.#to.laterSetxattr(target, name, value, lose);
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
    if (this.#to instanceof HostTree) this.#to.flushXattrs();
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
