/**
 * Watching. watchFile() looks at intervals, as Node's does everywhere. watch() needs a kernel that
 * tells of changes, and there is none here: it is refused, and says so.
 */
import { EventEmitter } from 'node:events';
import { UkfsError, type PathLike } from '../error.js';
import { UkfsStats } from '../stats.js';
import type { Ukfs } from '../ukfs.js';
import { vattr_new } from '../../puffs/index.js';
import { pathBytes, toFunction, toPath, toUint32 } from './arguments.js';
import { unavailable } from './errors.js';
import { BigIntStats, Stats } from './stats.js';

const INTERVAL_MS = 5007;

export function watch(): never {
  throw unavailable(
    'watch() is not available for a file system in an image; use watchFile(), which polls',
  );
}

/** What watchFile() shows of a file that is not there. */
function nothing(): UkfsStats {
  const va = vattr_new();
  for (const field of Object.keys(va) as (keyof typeof va)[]) va[field] = 0;
  return new UkfsStats(va);
}

type Listener = (current: Stats | BigIntStats, previous: Stats | BigIntStats) => void;

/** One for each path, shared by its listeners. */
export class StatWatcher extends EventEmitter {
  readonly #u: Ukfs;
  readonly #path: PathLike;
  readonly #isBigint: boolean;
  readonly #timer: NodeJS.Timeout;
  #last: UkfsStats;

  constructor(u: Ukfs, path: PathLike, intervalMs: number, isBigint: boolean) {
    super();
    this.#u = u;
    this.#path = path;
    this.#isBigint = isBigint;
    this.#last = this.#look();
    // A file that is missing is told of once.
    if (this.#last.nlink === 0) setImmediate(() => this.#tell(this.#last, this.#last));
    this.#timer = setInterval(() => this.#poll(), intervalMs);
  }

  ref(): this {
    this.#timer.ref();
    return this;
  }

  unref(): this {
    this.#timer.unref();
    return this;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.removeAllListeners();
  }

  #look(): UkfsStats {
    try {
      return this.#u.stat(this.#path);
    } catch (error) {
      if (error instanceof UkfsError) return nothing();
      throw error;
    }
  }

  #poll(): void {
    const previous = this.#last;
    this.#last = this.#look();
    const fields = ['ino', 'mode', 'nlink', 'uid', 'gid', 'size'] as const;
    const isSame =
      fields.every((field) => this.#last[field] === previous[field]) &&
      this.#last.mtimeMs === previous.mtimeMs &&
      this.#last.ctimeMs === previous.ctimeMs;
    if (!isSame) this.#tell(this.#last, previous);
  }

  #tell(current: UkfsStats, previous: UkfsStats): void {
    const Form = this.#isBigint ? BigIntStats : Stats;
    this.emit('change', new Form(current), new Form(previous));
  }
}

/** watchFile() and unwatchFile() of one file system. */
export function fileWatchers(u: Ukfs) {
  const watchers = new Map<string, StatWatcher>();
  const keyOf = (path: unknown): string => pathBytes(toPath(path, 'filename')).toString('latin1');

  function watchFile(path: unknown, options: unknown, listener?: unknown): StatWatcher {
    const given = typeof options === 'object' && options !== null ? options : {};
    const heard = toFunction(typeof options === 'function' ? options : listener, 'listener');
    const { interval, persistent, bigint } = {
      interval: INTERVAL_MS,
      persistent: true,
      bigint: false,
      ...given,
    };
    const key = keyOf(path);
    let watcher = watchers.get(key);
    if (watcher === undefined) {
      const intervalMs = toUint32(interval, 'interval');
      watcher = new StatWatcher(u, toPath(path, 'filename'), intervalMs, bigint);
      if (!persistent) watcher.unref();
      watchers.set(key, watcher);
    }
    watcher.on('change', heard as Listener);
    return watcher;
  }

  function unwatchFile(path: unknown, listener?: unknown): void {
    const key = keyOf(path);
    const watcher = watchers.get(key);
    if (watcher === undefined) return;
    if (typeof listener === 'function') watcher.off('change', listener as Listener);
    else watcher.removeAllListeners('change');
    if (watcher.listenerCount('change') > 0) return;
    watcher.stop();
    watchers.delete(key);
  }

  return { watchFile, unwatchFile };
}
