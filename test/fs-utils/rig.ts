/** Tools on an image, in this process: what they print, and how they end. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  HostTree,
  ImageTree,
  Output,
  encode,
  runTool,
  type Session,
} from '../../src/fs-utils/index.js';
import { consoleTool } from '../../src/fs-utils/console.js';
import { TOOLS } from '../../src/fs-utils/tools.js';
import { mount, type MountedImage, type Ukfs } from '../../src/ukfs/index.js';

const FLASH_BYTES = 16 << 20;

export interface Result {
  readonly status: number;
  /** Bytes as characters. */
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly stdin?: string;
  /** To questions; without it, no. */
  readonly answer?: (question: string) => boolean;
  readonly columns?: number;
  readonly environment?: Readonly<Record<string, string>>;
}

export class Rig {
  readonly folder = mkdtempSync(join(tmpdir(), 'lump-fsu-'));
  image = join(this.folder, 'flash.bin');
  #mounted: MountedImage;

  constructor() {
    writeFileSync(this.image, '');
    this.#mounted = mount(this.image, { size: FLASH_BYTES, sidecar: false });
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** From now on the tools work on another image. */
  use(image: string): void {
    this.#mounted.unmount();
    this.image = image;
    this.#mounted = mount(image, { sidecar: false });
  }

  /** The mounted image itself. */
  get ukfs(): Ukfs {
    return this.#mounted.ukfs;
  }

  /** From now on the image is only read, and others may read it, too. */
  readOnly(): void {
    this.#mounted.unmount();
    this.#mounted = mount(this.image, { readOnly: true, sidecar: false });
  }

  remove(): void {
    this.#mounted.unmount(true);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** `words` in UTF-8, or bytes as characters with `isBytes`. */
  async run(name: string, words: readonly string[], options: RunOptions = {}): Promise<Result> {
    const { stdin = '', answer = () => false, columns, environment = {} } = options;
    const tool = [...TOOLS, consoleTool].find((each) => each.name === name);
    if (tool === undefined) throw new Error(`there is no tool ${name}`);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    const session: Session = {
      image: new ImageTree(this.#mounted.ukfs),
      host: new HostTree(),
      imagePath: encode(this.image),
      type: this.#mounted.type,
      readOnly: this.#mounted.readOnly,
      out: new Output((bytes) => out.push(Buffer.from(bytes))),
      err: new Output((bytes) => err.push(Buffer.from(bytes))),
      environment,
      columns,
      umask: 0o022,
      confirm: answer,
      openSecond: (name, { writes, type }) => {
        if (statSync(name).isDirectory()) return { tree: new HostTree(name), close: () => {} };
        const how = { readOnly: !writes, sidecar: false, ...(type !== undefined && { type }) };
        const mounted = mount(name, how);
        return { tree: new ImageTree(mounted.ukfs), close: () => mounted.unmount() };
      },
      input: () => (stdin === '' ? [] : [Buffer.from(stdin, 'latin1')]),
    };
    const status = await runTool(tool, session, words.map(encode));
    const text = (chunks: readonly Buffer[]): string => Buffer.concat(chunks).toString('latin1');
    return { status, out: text(out), err: text(err) };
  }

  /** Of a run that must do all it was told. */
  async output(name: string, words: readonly string[], options?: RunOptions): Promise<string> {
    const { status, out, err } = await this.run(name, words, options);
    if (status !== 0 || err !== '') {
      throw new Error(`${name} ${words.join(' ')}: ${status} ${err} ${out.slice(0, 2000)}`);
    }
    return out;
  }
}
