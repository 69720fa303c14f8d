/** Phase 1: reads a directory of the host into a tree, and merges further ones into it. */
import type { HostSource, HostSourceStat } from '../rumpuser/host_source.js';
import { HostError } from '../rumpuser/rumpuser.js';
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../lump/fs.js';
import {
  type Contents,
  fileType,
  type FsInode,
  FsNode,
  MakefsError,
  newInode,
  type OpenContents,
  showPath,
} from './fsnode.js';
import { reasonOf } from './problems.js';

export interface WalkOptions {
  /** Reads extended attributes. */
  readonly xattrs: boolean;
  /** A directory may hold what an earlier one has, too: the later one wins. */
  readonly replace: boolean;
  /** Files to leave out: what each is, by identity. */
  readonly leaveOut: ReadonlyMap<string, string>;
  /** Called for what is left out. */
  readonly note: (line: string) => void;
}

/** @throws MakefsError a directory cannot be read, or two directories do not go together */
export function readDirectories(
  host: HostSource,
  directories: readonly string[],
  options: WalkOptions,
): FsNode {
  const walker = new Walker(host, options);
  let root: FsNode | undefined;
  for (const directory of directories) root = walker.readRoot(directory, root);
  if (root === undefined) throw new MakefsError('no source directory is named');
  return root;
}

class Walker {
  private readonly host: HostSource;
  private readonly options: WalkOptions;
  /** Inodes with several names, by identity. */
  private readonly linked = new Map<string, FsInode>();

  constructor(host: HostSource, options: WalkOptions) {
    this.host = host;
    this.options = options;
  }

  readRoot(directory: string, into: FsNode | undefined): FsNode {
    const stat = read(() => this.host.stat(directory));
    if ((stat.mode & S_IFMT) !== S_IFDIR) {
      throw new MakefsError(`${showPath(directory)} is no directory`);
    }
    const root = into ?? new FsNode('.', null, inodeOf(stat));
    if (this.options.replace) root.inode = inodeOf(stat);
    this.readChildren(directory, root);
    if (this.options.xattrs) this.readXattrs(directory, root);
    return root;
  }

  private readChildren(directory: string, node: FsNode): void {
    for (const name of read(() => this.host.list(directory)).sort()) {
      const path = `${directory}/${name}`;
      const stat = read(() => this.host.lstat(path));
      const known = this.options.leaveOut.get(stat.identity);
      if (known !== undefined && (stat.mode & S_IFMT) === S_IFREG) {
        this.options.note(`${showPath(path)} is ${known}; it is left out`);
        continue;
      }
      const before = node.child(name);
      const isDirectory = (stat.mode & S_IFMT) === S_IFDIR;
      if (before !== undefined && !(isDirectory && before.isDirectory)) {
        if (!this.options.replace) {
          throw new MakefsError(
            `${showPath(path)} (${fileType(stat.mode)}) is in an earlier directory already, as ` +
              `${fileType(before.inode.mode)}; -r takes the later one`,
          );
        }
        // What was below a directory goes with it.
        node.remove(name);
      }
      const merged = node.child(name);
      if (merged !== undefined && this.options.replace) merged.inode = inodeOf(stat);
      const child = merged ?? node.add(name, this.inodeAt(path, stat));
      if (isDirectory) this.readChildren(path, child);
    }
  }

  private inodeAt(path: string, stat: HostSourceStat): FsInode {
    const several = stat.nlink > 1 && (stat.mode & S_IFMT) !== S_IFDIR;
    const known = several ? this.linked.get(stat.identity) : undefined;
    if (known !== undefined) return known;
    const inode = inodeOf(stat);
    switch (stat.mode & S_IFMT) {
      case S_IFREG:
        if (stat.sizeBytes > 0) inode.contents = new HostContents(this.host, path, stat);
        break;
      case S_IFLNK:
        inode.target = read(() => this.host.readlink(path));
        break;
      default:
    }
    if (several) this.linked.set(stat.identity, inode);
    return inode;
  }

  private readXattrs(directory: string, root: FsNode): void {
    for (const [path, pairs] of read(() => this.host.xattrs(directory))) {
      let node: FsNode | undefined = root;
      if (path !== '.') for (const name of path.split('/')) node = node?.child(name);
      if (node !== undefined) node.inode.xattrs = pairs.sort(([a], [b]) => (a < b ? -1 : 1));
    }
  }
}

function inodeOf(stat: HostSourceStat): FsInode {
  const inode = newInode(stat.mode, stat.mtimeSec);
  inode.uid = stat.uid;
  inode.gid = stat.gid;
  const type = stat.mode & S_IFMT;
  if (type === S_IFCHR || type === S_IFBLK) {
    inode.rdevMajor = stat.rdevMajor;
    inode.rdevMinor = stat.rdevMinor;
  }
  return inode;
}

/** What the host refuses is the user's affair. */
function read<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    throw new MakefsError(`${showPath(error.path ?? '')}: ${reasonOf(error)}`);
  }
}

/** A file of the host; see {@link contentsOfFile}. */
class HostContents implements Contents {
  readonly sizeBytes: number;
  private readonly host: HostSource;
  private readonly path: string;
  private readonly stat: HostSourceStat;

  constructor(host: HostSource, path: string, stat: HostSourceStat) {
    this.sizeBytes = stat.sizeBytes;
    this.host = host;
    this.path = path;
    this.stat = stat;
  }

  open(): OpenContents {
    const { path, stat, sizeBytes } = this;
    const file = read(() => this.host.open(path));
    let position = 0;
    const changed = (): MakefsError =>
      new MakefsError(`${showPath(path)} changed while it was read; make the image again`);
    return {
      read(buffer, offset, length) {
        let got: number;
        try {
          got = read(() => file.read(buffer, offset, length, position));
        } catch (error) {
          // What cannot be read may not be what it was: a fifo, a directory.
          if (!isSame(file.stat(), stat)) throw changed();
          throw error;
        }
        position += got;
        return got;
      },
      finish() {
        const after = read(() => file.stat());
        file.close();
        if (position !== sizeBytes || !isSame(after, stat)) throw changed();
      },
    };
  }
}

/** Numbers of inodes are used again: they alone do not tell. */
const isSame = (a: HostSourceStat, b: HostSourceStat): boolean =>
  a.identity === b.identity &&
  (a.mode & S_IFMT) === (b.mode & S_IFMT) &&
  a.sizeBytes === b.sizeBytes &&
  a.mtimeMs === b.mtimeMs;

/** Contents for a file that a specification names. @throws MakefsError */
export function contentsOfFile(host: HostSource, path: string): Contents {
  const stat = read(() => host.lstat(path));
  if ((stat.mode & S_IFMT) !== S_IFREG) {
    throw new MakefsError(`${showPath(path)} is no regular file`);
  }
  return new HostContents(host, path, stat);
}
