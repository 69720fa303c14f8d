/**
 * What Node has no calls for on the host: extended attributes and special files. python3 does them,
 * many at a time, where it is installed: starting it costs more than its work.
 */
import { spawnSync } from 'node:child_process';
import { fromBytes, type ByteText } from './bytes.js';
import { systemError, type SystemError } from './errors.js';

/** Paths cross as bytes made characters in JSON, values as base64. */
const SCRIPT = `
import base64, errno, json, os, sys
def b(text): return text.encode('latin-1')
def failure(e): return errno.errorcode.get(e.errno, 'EIO')
def attributes(path, out):
    try:
        names = os.listxattr(path, follow_symlinks=False)
        found = {os.fsencode(n).decode('latin-1'):
                 base64.b64encode(os.getxattr(path, n, follow_symlinks=False)).decode()
                 for n in names}
        if found: out[path.decode('latin-1')] = found
    except OSError as e:
        if e.errno not in (errno.EOPNOTSUPP, errno.ENOENT):
            out[path.decode('latin-1')] = failure(e)
request = json.load(sys.stdin.buffer)
if request['what'] == 'read':
    out = {}
    top = b(request['path'])
    attributes(top, out)
    for folder, folders, files in os.walk(top):
        for name in folders + files: attributes(os.path.join(folder, name), out)
else:
    out = []
    for one in request['list']:
        path = b(one['path'])
        try:
            if 'mode' in one: os.mknod(path, one['mode'], os.makedev(one['major'], one['minor']))
            else: os.setxattr(path, b(one['name']), base64.b64decode(one['value']),
                              follow_symlinks=False)
            out.append(None)
        except OSError as e: out.append(failure(e))
json.dump(out, sys.stdout)
`;

const OUTPUT_BYTES_MAX = 1 << 30;

type Names = Readonly<Record<string, string>>;

interface Wish {
  readonly request: Readonly<Record<string, unknown>>;
  readonly failed: (error: SystemError) => void;
}

export class HostNative {
  /** By path, of the tree read last. */
  #xattrs = new Map<ByteText, Names | string>();
  readonly #wishes: Wish[] = [];

  /** Reads the attributes of a whole tree at once; {@link xattrs} answers from it. */
  prefetch(top: ByteText): void {
    // Windows has none of that kind.
    if (process.platform === 'win32') return;
    const answer = ask({ what: 'read', path: top });
    if (typeof answer === 'string') this.#xattrs.set(top, answer);
    else
      for (const [path, names] of Object.entries(answer as object)) this.#xattrs.set(path, names);
  }

  /** Those of a file below what was fetched. */
  xattrs(path: ByteText): ReadonlyMap<ByteText, Uint8Array> {
    const names = this.#xattrs.get(path);
    if (typeof names === 'string') throw systemError(names);
    const entries = Object.entries(names ?? {});
    return new Map(entries.map(([name, value]) => [name, Buffer.from(value, 'base64')]));
  }

  setxattr(path: ByteText, name: ByteText, value: Uint8Array): void {
    perform([{ path, name, value: Buffer.from(value).toString('base64') }]);
  }

  mknod(path: ByteText, mode: number, rdev: number): void {
    perform([nodeRequest(path, mode, rdev)]);
  }

  /** As setxattr, together with others at the next {@link flush}. */
  laterSetxattr(
    path: ByteText,
    name: ByteText,
    value: Uint8Array,
    failed: (error: SystemError) => void,
  ): void {
    const request = { path, name, value: Buffer.from(value).toString('base64') };
    this.#wishes.push({ request, failed });
  }

  flush(): void {
    const wishes = this.#wishes.splice(0);
    if (wishes.length === 0) return;
    const answer = ask({ what: 'write', list: wishes.map(({ request }) => request) });
    for (const [i, { failed }] of wishes.entries()) {
      const code = typeof answer === 'string' ? answer : (answer as (string | null)[])[i];
      if (code !== null && code !== undefined) failed(systemError(code));
    }
  }
}

function nodeRequest(path: ByteText, mode: number, rdev: number): Record<string, unknown> {
  const minor = ((rdev >>> 12) & 0xfff00) | (rdev & 0xff);
  return { path, mode, major: (rdev >>> 8) & 0xfff, minor };
}

function perform(list: readonly Record<string, unknown>[]): void {
  const answer = ask({ what: 'write', list });
  const code = typeof answer === 'string' ? answer : (answer as (string | null)[])[0];
  if (code !== null && code !== undefined) throw systemError(code);
}

/** @returns its answer; ENOSYS where there is no python3, EIO when it failed. */
function ask(request: Readonly<Record<string, unknown>>): unknown {
  const { status, stdout, error } = spawnSync('python3', ['-I', '-S', '-c', SCRIPT], {
    input: JSON.stringify(request),
    maxBuffer: OUTPUT_BYTES_MAX,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  if (error !== undefined && (error as { code?: string }).code === 'ENOENT') return 'ENOSYS';
  if (status !== 0) return 'EIO';
  return JSON.parse(fromBytes(stdout)) as unknown;
}
