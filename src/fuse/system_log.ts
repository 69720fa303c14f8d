/** Where the lines of a server in the background go: syslog, through logger(1). */
import { spawn, type ChildProcess } from 'node:child_process';

/** Starts logger(1) with the first line; without it, lines are dropped. */
export class SystemLog {
  private readonly tag: string;
  private child: ChildProcess | undefined;

  constructor(tag: string) {
    this.tag = tag;
  }

  /** Levels as printk's, which are syslog's. */
  write(level: number, line: string): void {
    this.child ??= this.start();
    // Facility 3: daemon.
    for (const part of line.split('\n')) this.child.stdin!.write(`<${3 * 8 + level}>${part}\n`);
  }

  /** Resolves when everything is handed over. */
  close(): Promise<void> {
    const { child } = this;
    if (child === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      child.once('close', () => resolve());
      child.once('error', () => resolve());
      child.stdin!.end();
    });
  }

  private start(): ChildProcess {
    const child = spawn('logger', ['--prio-prefix', '-t', `${this.tag}[${process.pid}]`], {
      stdio: ['pipe', 'ignore', 'ignore'],
      cwd: '/',
    });
    child.on('error', () => {});
    child.stdin.on('error', () => {});
    return child;
  }
}
