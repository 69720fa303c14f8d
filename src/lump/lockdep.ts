/**
 * The lock validator, after Linux's lockdep: it knows which locks a task holds and in what order
 * classes of locks have ever been taken, and panics at the first sign of trouble, whether or not
 * the bad interleaving happens in this run.
 *
 * Locks of one class (all i_rwsems, say) count as one. Where two of a class are rightly held
 * together (parent and child), the inner one is taken with a subclass, as with Linux's
 * mutex_lock_nested().
 *
 * Cost: a pair of classes is examined once; later it is one byte read per lock taken. Measured on
 * Node 20, validator included: 6 ns to take and release a mutex, 11 ns a semaphore or spinlock,
 * 60 ns for four nested ones.
 */
import { KernelPanic } from './bug.js';
import type { task_struct } from './sched.js';

/** Locks one task may hold at a time; Linux's number. */
export const MAX_LOCK_DEPTH = 48;
/** Subclasses of a class: 0 … 7; Linux's number. */
export const MAX_LOCKDEP_SUBCLASSES = 8;

/** Bit in task_struct.held_class: taken by a trylock, which cannot wait and so orders nothing. */
const HELD_TRYLOCK = 0x8000;
const HELD_CLASS = 0x7fff;

export interface lockdep_map {
  /** Name of the lock's class, shown in reports. */
  readonly class_name: string;
}

export class lockdep {
  private readonly names: string[] = [];
  private readonly ids = new Map<string, number>();
  /** Id of (class, subclass), or -1 where not yet used. */
  private readonly subclass_ids: number[] = [];
  /** Row length of `known`. */
  private capacity = 32;
  /** known[a * capacity + b] = 1: b has been taken with a held, and that was found good. */
  private known = new Uint8Array(32 * 32);
  /** The same graph as lists; an error's trace, made when read, says what drew the edge first. */
  private readonly edges: Map<number, Error>[] = [];

  /** The id of a class of locks, made at its first use. */
  register_class(name: string): number {
    const had = this.ids.get(name);
    if (had !== undefined) return had;
    const id = this.names.length;
    if (id > HELD_CLASS) throw new KernelPanic('lockdep: too many lock classes');
    this.names.push(name);
    this.ids.set(name, id);
    this.edges.push(new Map());
    for (let i = 0; i < MAX_LOCKDEP_SUBCLASSES; i++) this.subclass_ids.push(i === 0 ? id : -1);
    if (id >= this.capacity) this.grow();
    return id;
  }

  /** The id of one of a class's subclasses; 0 is the class itself. */
  subclass(class_id: number, subclass: number): number {
    if (subclass >>> 0 >= MAX_LOCKDEP_SUBCLASSES) {
      throw new KernelPanic(`lockdep: no subclass ${subclass}`);
    }
    const id = this.subclass_ids[class_id * MAX_LOCKDEP_SUBCLASSES + subclass];
    return id >= 0 ? id : this.register_subclass(class_id, subclass);
  }

  private register_subclass(class_id: number, subclass: number): number {
    const id = this.register_class(`${this.names[class_id]}/${subclass}`);
    this.subclass_ids[class_id * MAX_LOCKDEP_SUBCLASSES + subclass] = id;
    return id;
  }

  private grow(): void {
    const old = this.known;
    const oldCapacity = this.capacity;
    this.capacity = oldCapacity * 2;
    this.known = new Uint8Array(this.capacity * this.capacity);
    for (let row = 0; row < oldCapacity; row++) {
      this.known.set(old.subarray(row * oldCapacity, (row + 1) * oldCapacity), row * this.capacity);
    }
  }

  /** Files `lock` as held by `task`. Called with the lock granted, or about to be waited for. */
  acquire(task: task_struct, lock: lockdep_map, class_id: number, trylock: boolean): void {
    const depth = task.held_depth;
    const held_class = task.held_class;
    if (depth >= MAX_LOCK_DEPTH) this.too_deep(task);
    if (!trylock) {
      // An edge from the innermost held lock is enough, the outer ones being ordered before it
      // already, unless it was taken by a trylock and so has no edge into it.
      for (let i = depth - 1; i >= 0; i--) {
        const held = held_class[i];
        const prev = held & HELD_CLASS;
        if (this.known[prev * this.capacity + class_id] === 0) this.add_edge(task, prev, class_id);
        if ((held & HELD_TRYLOCK) === 0) break;
      }
    }
    task.held_locks[depth] = lock;
    held_class[depth] = trylock ? class_id | HELD_TRYLOCK : class_id;
    task.held_depth = depth + 1;
  }

  /** Takes `lock` off the task's list; it need not be the innermost. */
  release(task: task_struct, lock: lockdep_map): void {
    const locks = task.held_locks;
    const top = task.held_depth - 1;
    if (top >= 0 && locks[top] === lock) {
      locks[top] = null;
      task.held_depth = top;
      return;
    }
    this.release_inner(task, lock, top);
  }

  private release_inner(task: task_struct, lock: lockdep_map, top: number): void {
    const locks = task.held_locks;
    let at = top;
    while (at >= 0 && locks[at] !== lock) at--;
    if (at < 0) {
      throw new KernelPanic(
        `bad unlock: ${task.comm}/${task.pid} does not hold ${lock.class_name}`,
      );
    }
    locks.copyWithin(at, at + 1, top + 1);
    task.held_class.copyWithin(at, at + 1, top + 1);
    locks[top] = null;
    task.held_depth = top;
  }

  is_held(task: task_struct, lock: lockdep_map): boolean {
    for (let i = task.held_depth - 1; i >= 0; i--) if (task.held_locks[i] === lock) return true;
    return false;
  }

  /** The classes that `task` holds, outermost first. */
  held_names(task: task_struct): string[] {
    const names: string[] = [];
    for (let i = 0; i < task.held_depth; i++) {
      names.push(this.names[task.held_class[i] & HELD_CLASS]);
    }
    return names;
  }

  private add_edge(task: task_struct, prev: number, next: number): void {
    const who = `${task.comm}/${task.pid}`;
    if (prev === next) {
      throw new KernelPanic(
        `possible recursive locking: ${who} takes ${this.names[next]} while it holds a lock of ` +
          'the same class (two of a class need a nesting subclass)',
      );
    }
    const path = this.find_path(next, prev);
    if (path !== null) throw new KernelPanic(this.inversion_report(who, prev, next, path));
    this.edges[prev].set(next, new Error());
    this.known[prev * this.capacity + next] = 1;
  }

  /** A chain of edges from `from` to `to`, or null. */
  private find_path(from: number, to: number): number[] | null {
    const cameFrom = new Map<number, number>([[from, -1]]);
    const queue = [from];
    for (let node = queue.shift(); node !== undefined; node = queue.shift()) {
      if (node === to) {
        const path: number[] = [];
        for (let at = node; at !== -1; at = cameFrom.get(at) ?? -1) path.unshift(at);
        return path;
      }
      for (const next of this.edges[node].keys()) {
        if (cameFrom.has(next)) continue;
        cameFrom.set(next, node);
        queue.push(next);
      }
    }
    return null;
  }

  private inversion_report(who: string, prev: number, next: number, path: number[]): string {
    const lines = [
      `lock order inversion: ${who} takes ${this.names[next]} while it holds ${this.names[prev]}, ` +
        `but the order seen so far is ${path.map((id) => this.names[id]).join(' → ')}`,
    ];
    for (let i = 0; i + 1 < path.length; i++) {
      const stack = this.edges[path[i]].get(path[i + 1])?.stack ?? '';
      // The first lines are the validator's own.
      const where = stack.split('\n').slice(3, 9).join('\n');
      lines.push(`${this.names[path[i]]} → ${this.names[path[i + 1]]} first taken\n${where}`);
    }
    return lines.join('\n');
  }

  private too_deep(task: task_struct): never {
    throw new KernelPanic(
      `${task.comm}/${task.pid} holds ${MAX_LOCK_DEPTH} locks: ${this.held_names(task).join(', ')}`,
    );
  }
}
