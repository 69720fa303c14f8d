/**
 * Chromium without a window, told what to do through the DevTools protocol on two pipes: messages
 * of JSON, each ended by a zero byte.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome'];

/** Undefined where there is none. */
export const chromium = (): string | undefined =>
  PROGRAMS.find((name) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0);

interface Reply {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

export class Browser {
  /** What the page complained of. */
  readonly complaints: string[] = [];
  private readonly child: ChildProcess;
  private readonly profile: string;
  private readonly waiting = new Map<number, (reply: Reply) => void>();
  private readonly listeners = new Map<string, () => void>();
  private session: string | undefined;
  private sent = 0;

  private constructor(program: string) {
    this.profile = mkdtempSync(join(tmpdir(), 'lump-browser-'));
    this.child = spawn(
      program,
      [
        '--headless=new',
        '--remote-debugging-pipe',
        '--disable-gpu',
        '--disable-dev-shm-usage',
        '--no-first-run',
        '--hide-scrollbars',
        // Tests run as root, too; the page is our own.
        '--no-sandbox',
        `--user-data-dir=${this.profile}`,
        'about:blank',
      ],
      { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
    );
    let rest = '';
    (this.child.stdio[4] as Readable).setEncoding('utf8').on('data', (text: string) => {
      const messages = (rest + text).split('\0');
      rest = messages.pop()!;
      for (const message of messages) this.receive(JSON.parse(message) as Reply);
    });
    this.child.once('exit', () => {
      for (const answer of this.waiting.values()) {
        answer({ error: { message: 'the browser has ended' } });
      }
    });
  }

  static async start(program: string): Promise<Browser> {
    const browser = new Browser(program);
    const target = (await browser.send('Target.createTarget', { url: 'about:blank' })) as {
      targetId: string;
    };
    const { sessionId } = (await browser.send('Target.attachToTarget', {
      targetId: target.targetId,
      flatten: true,
    })) as { sessionId: string };
    browser.session = sessionId;
    for (const domain of ['Page', 'Runtime', 'Log', 'Network'])
      await browser.send(`${domain}.enable`);
    return browser;
  }

  private receive(reply: Reply): void {
    if (reply.id !== undefined) {
      this.waiting.get(reply.id)?.(reply);
      this.waiting.delete(reply.id);
      return;
    }
    const { method = '', params } = reply;
    if (method === 'Runtime.exceptionThrown' || method === 'Log.entryAdded') {
      this.complaints.push(JSON.stringify(params));
    }
    if (method === 'Network.requestWillBeSent') {
      const { url } = params!.request as { url: string };
      if (!/^(file|data|about):/.test(url)) this.complaints.push(`asked the network for ${url}`);
    }
    this.listeners.get(method)?.();
    this.listeners.delete(method);
  }

  private send(method: string, params: object = {}): Promise<unknown> {
    const id = ++this.sent;
    const sessionId = this.session;
    const message = JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) });
    (this.child.stdio[3] as Writable).write(`${message}\0`);
    return new Promise((resolve, reject) => {
      this.waiting.set(id, ({ result, error }) => {
        if (error) reject(new Error(`${method}: ${error.message}`));
        else resolve(result);
      });
    });
  }

  async open(url: string, size: { width: number; height: number }, scheme: string): Promise<void> {
    await this.send('Emulation.setDeviceMetricsOverride', {
      ...size,
      deviceScaleFactor: 1,
      mobile: false,
    });
    await this.send('Emulation.setEmulatedMedia', {
      features: [{ name: 'prefers-color-scheme', value: scheme }],
    });
    const loaded = new Promise<void>((resolve) => {
      this.listeners.set('Page.loadEventFired', resolve);
    });
    await this.send('Page.navigate', { url });
    await loaded;
  }

  /** Value of an expression in the page; of a promise, what it becomes. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = (await this.send('Runtime.evaluate', {
      expression,
      returnByValue: true,
      awaitPromise: true,
    })) as { result: { value: T }; exceptionDetails?: { exception?: { description?: string } } };
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? expression);
    return result.value;
  }

  /** Pixels from the upper left corner of the window. */
  async movePointer(x: number, y: number): Promise<void> {
    await this.send('Input.dispatchMouseEvent', { type: 'mouseMoved', x, y });
  }

  /** PNG of the whole page. */
  async screenshot(): Promise<Buffer> {
    const { data } = (await this.send('Page.captureScreenshot', {
      format: 'png',
      captureBeyondViewport: true,
    })) as { data: string };
    return Buffer.from(data, 'base64');
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.session = undefined;
    // It may end before it answers.
    this.send('Browser.close').catch(() => {});
    await ended;
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 10 });
  }
}
