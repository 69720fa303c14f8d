/**
 * Reader of traces that were recorded from a mount (src/puffs/trace.ts). Whatever a line says is
 * checked before it becomes an operation: kinds, sizes, and that names and files are there.
 */
import { isAclName } from '../puffs/extattr.js';
import {
  TRACE_VERSION,
  traceByteName,
  type TraceHeader,
  type TraceNodeType,
  type TraceRecord,
} from '../puffs/trace.js';
import { TRACE_ROOT } from './replay.js';
import type { Fail, Reader, Script } from './trace_script.js';

const NAME_BYTES_MAX = 255;
const SYMLINK_BYTES_MAX = 4095;
const XATTR_BYTES_MAX = 65536;
/** A request of a mount has at most 1 MiB; a library's may have more. */
const REQUEST_BYTES_MAX = 2 ** 30;
const MAJOR_MAX = 0xfff;
const MINOR_MAX = 0xfffff;

const TYPES: readonly TraceNodeType[] = [
  'file',
  'directory',
  'symlink',
  'fifo',
  'socket',
  'block',
  'character',
];

type Record<Op extends TraceRecord['op']> = Extract<TraceRecord, { op: Op }>;

/** A file of the trace. */
interface Traced {
  readonly type: TraceNodeType;
  /** Of a directory: file numbers by name. */
  readonly entries: Map<string, number> | null;
}

const traced = (type: TraceNodeType): Traced => ({
  type,
  entries: type === 'directory' ? new Map() : null,
});

export class MountTrace implements Reader {
  private readonly script: Script;
  private readonly nodes = new Map<number, Traced>([[TRACE_ROOT, traced('directory')]]);
  private root = -1;
  private hasBegun = false;
  private asides = 0;

  constructor(script: Script, first: string, fail: Fail) {
    this.script = script;
    const { lumpTrace } = parsed(first, fail) as Partial<TraceHeader>;
    if (lumpTrace !== TRACE_VERSION) {
      fail(
        `is no header of a trace of lump_jffs2 -o trace= (version ${TRACE_VERSION}); ` +
          'one of another version must be recorded anew',
      );
    }
  }

  line(text: string, fail: Fail): void {
    const record = parsed(text, fail) as TraceRecord | TraceHeader;
    if ('lumpTrace' in record) {
      if (this.root >= 0) fail('a second header; a trace is one mount');
      this.root = number(record.root, fail);
      return;
    }
    if (record.op === 'found' || (record.op === 'xattr' && record.found === true)) {
      if (this.hasBegun) fail('what was there before comes first');
    } else {
      this.hasBegun = true;
      this.script.at(typeof record.s === 'number' ? record.s * 1000 : Number.NaN, fail);
    }
    this.record(record, fail);
  }

  private record(record: TraceRecord, fail: Fail): void {
    const { script } = this;
    switch (record.op) {
      case 'found':
      case 'create':
        this.made(record, fail);
        return;
      case 'tmpfile': {
        const node = this.fresh(record.node, 'file', fail);
        script.add({ op: 'tmpfile', node, mode: modeOf(record.mode, fail) });
        return;
      }
      case 'link': {
        const node = this.node(record.node, fail);
        if (this.nodes.get(node)!.entries !== null) fail(`file ${record.node} is a directory`);
        const place = this.free(record.dir, record.name, fail);
        place.entries.set(place.name, node);
        script.add({ op: 'link', dir: place.dir, name: place.name, node });
        return;
      }
      case 'remove': {
        const { node, entries, dir, name } = this.taken(record, fail);
        const size = this.nodes.get(node)!.entries?.size ?? 0;
        if (size > 0) fail(`directory ${record.node} is not empty`);
        entries.delete(name);
        script.add({ op: 'remove', dir, name, node });
        return;
      }
      case 'rename':
        this.rename(record, fail);
        return;
      case 'gone': {
        const node = this.node(record.node, fail);
        if (node === TRACE_ROOT) fail('the root directory stays');
        script.add({ op: 'gone', node });
        this.nodes.delete(node);
        return;
      }
      case 'write':
      case 'read': {
        const node = this.file(record.node, fail);
        const bytes = number(record.bytes, fail);
        if (bytes > REQUEST_BYTES_MAX) fail(`${bytes} bytes at once`);
        const { op, sync } = record as Record<'write'>;
        const offset = number(record.offset, fail);
        script.add({ op, node, offset, bytes, ...(sync === true && { sync }) });
        return;
      }
      case 'truncate': {
        const [node, bytes] = [this.file(record.node, fail), number(record.bytes, fail)];
        script.add({ op: 'truncate', node, bytes, ...optionalMode(record, fail) });
        return;
      }
      case 'attributes': {
        const node = this.node(record.node, fail);
        script.add({ op: 'attributes', node, ...optionalMode(record, fail) });
        return;
      }
      case 'xattr':
        this.xattr(record, fail);
        return;
      case 'fsync':
        script.add({ op: 'fsync', node: this.node(record.node, fail) });
        return;
      case 'sync':
        script.add({ op: 'sync' });
        return;
      default:
        fail(`an operation "${String((record as { op: unknown }).op)}" is not known`);
    }
  }

  private made(record: Record<'found' | 'create'>, fail: Fail): void {
    const { op, type } = record;
    if (!TYPES.includes(type)) fail(`a file of type "${String(type)}"; known: ${TYPES.join(', ')}`);
    const bytes = number(record.bytes, fail);
    if (type === 'symlink' && (bytes === 0 || bytes > SYMLINK_BYTES_MAX)) {
      fail(`a symbolic link of ${bytes} bytes`);
    }
    const place = this.free(record.dir, record.name, fail);
    // A further name of what was there before.
    const isLink = op === 'found' && this.nodes.has(this.numberOf(record.node, fail));
    const node = isLink ? this.node(record.node, fail) : this.fresh(record.node, type, fail);
    if (isLink && (type === 'directory' || this.nodes.get(node)!.type !== type)) {
      fail(`file ${record.node} was met as something else`);
    }
    place.entries.set(place.name, node);
    this.script.add({
      op,
      dir: place.dir,
      name: place.name,
      node,
      type,
      bytes,
      mode: modeOf(record.mode, fail),
      ...((type === 'block' || type === 'character') && { device: deviceOf(record.device, fail) }),
    });
    if (op === 'create' && type === 'file' && bytes > 0) {
      this.script.add({ op: 'write', node, offset: 0, bytes });
    }
  }

  /** Names that change places do so by a third: jffs2 has no such rename. */
  private rename(record: Record<'rename'>, fail: Fail): void {
    const from = this.taken(record, fail);
    const to = this.place(record.toDir, record.toName, fail);
    const there = to.entries.get(to.name);
    if (there === from.node) return;
    const move = (source: Place, target: Place, node: number): void =>
      this.script.add({
        op: 'rename',
        dir: source.dir,
        name: source.name,
        node,
        toDir: target.dir,
        toName: target.name,
      });
    if (record.exchange === true) {
      if (there === undefined) fail(`there is no "${to.name}" in directory ${record.toDir}`);
      const aside = { ...to, name: this.unused(to) };
      move(to, aside, there);
      move(from, to, from.node);
      move(aside, from, there);
      from.entries.set(from.name, there);
    } else {
      if ((this.nodes.get(there ?? -1)?.entries?.size ?? 0) > 0) fail(`"${to.name}" is not empty`);
      move(from, to, from.node);
      from.entries.delete(from.name);
    }
    to.entries.set(to.name, from.node);
  }

  private unused({ entries }: Place): string {
    while (entries.has(`~${this.asides}`)) this.asides++;
    return `~${this.asides++}`;
  }

  private xattr(record: Record<'xattr'>, fail: Fail): void {
    const node = this.node(record.node, fail);
    const { name, acl, found, bytes: given } = record;
    if (typeof name !== 'string' || !/^(user|trusted|security)\..|^system\.posix_acl_/.test(name)) {
      fail(`an attribute "${String(name)}"; names begin with user., trusted. or security.`);
    }
    const bytes = given === null ? null : number(given, fail);
    if (bytes !== null && bytes > XATTR_BYTES_MAX) fail(`an attribute of ${bytes} bytes`);
    const isAcl = isAclName(name);
    if (isAcl && bytes !== null) {
      const digits = typeof acl === 'string' && /^[0-9a-f]*$/.test(acl) ? acl.length : -1;
      if (digits !== 2 * bytes)
        fail(`an access list of ${bytes} bytes needs them in hex, as "acl"`);
    }
    const value = number(record.value ?? 0, fail) >>> 0;
    this.script.add({
      op: 'xattr',
      node,
      name,
      bytes,
      ...(isAcl && acl !== undefined ? { acl } : { value }),
      ...(found === true && { found }),
    });
  }

  /** The root's is another one on each medium. */
  private numberOf(value: unknown, fail: Fail): number {
    const node = number(value, fail);
    if (node === this.root) return TRACE_ROOT;
    return node === TRACE_ROOT ? fail('file 0 is none') : node;
  }

  private node(value: unknown, fail: Fail): number {
    const node = this.numberOf(value, fail);
    return this.nodes.has(node) ? node : fail(`file ${node} was neither found nor created`);
  }

  private file(value: unknown, fail: Fail): number {
    const node = this.node(value, fail);
    const { type } = this.nodes.get(node)!;
    return type === 'file' ? node : fail(`file ${node} is a ${type}`);
  }

  private fresh(value: unknown, type: TraceNodeType, fail: Fail): number {
    const node = this.numberOf(value, fail);
    if (this.nodes.has(node)) fail(`file ${node} is there already`);
    this.nodes.set(node, traced(type));
    return node;
  }

  private place(dirNumber: unknown, name: unknown, fail: Fail): Place {
    const dir = this.node(dirNumber, fail);
    const { entries } = this.nodes.get(dir)!;
    if (entries === null) return fail(`file ${dir} is no directory`);
    if (typeof name !== 'string' || name === '') return fail('a name is wanted');
    if (/[/\0]|^\.\.?$/.test(name) || traceByteName(name).length > NAME_BYTES_MAX) {
      return fail(`${JSON.stringify(name.slice(0, NAME_BYTES_MAX))} is no name of a file`);
    }
    return { dir, name, entries };
  }

  private free(dir: unknown, name: unknown, fail: Fail): Place {
    const place = this.place(dir, name, fail);
    if (place.entries.has(place.name)) {
      fail(`"${place.name}" is in directory ${String(dir)} already`);
    }
    return place;
  }

  /** Where the record's node is. */
  private taken(
    { dir, name, node: wanted }: { dir: number; name: string; node: number },
    fail: Fail,
  ): Place & { node: number } {
    const place = this.place(dir, name, fail);
    const node = this.node(wanted, fail);
    return place.entries.get(place.name) === node
      ? { ...place, node }
      : fail(`"${place.name}" in directory ${dir} is not file ${wanted}`);
  }
}

/** A name in a directory. */
interface Place {
  readonly dir: number;
  readonly name: string;
  /** The directory's. */
  readonly entries: Map<string, number>;
}

function parsed(text: string, fail: Fail): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return fail('is no JSON; was the trace cut off there? What is above it can be replayed alone');
  }
  return typeof value === 'object' && value !== null ? value : fail('is no record of a trace');
}

const number = (value: unknown, fail: Fail): number =>
  Number.isSafeInteger(value) && (value as number) >= 0
    ? (value as number)
    : fail(`${JSON.stringify(value)} where a number of a file, or of bytes, is wanted`);

function modeOf(value: unknown, fail: Fail): number {
  const mode = number(value, fail);
  return mode <= 0o7777 ? mode : fail(`${mode} is no mode`);
}

const optionalMode = ({ mode }: { readonly mode?: number }, fail: Fail): { mode?: number } =>
  mode === undefined ? {} : { mode: modeOf(mode, fail) };

function deviceOf(value: unknown, fail: Fail): readonly [number, number] {
  const [major, minor] = Array.isArray(value) ? value : [];
  if (number(major, fail) > MAJOR_MAX || number(minor, fail) > MINOR_MAX) {
    fail(`${major}:${minor} is no number of a device`);
  }
  return [major, minor];
}
