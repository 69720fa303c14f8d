/** Lines from a person: history, completion. And the files of the host that lines name. */
import * as fs from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { encode } from './bytes.js';

const HISTORY_LINES_MAX = 1000;

export interface Prompting {
  prompt(): string;
  /** Of the line up to the cursor: what could stand there, and the part that it replaces. */
  complete(line: string): [hits: string[], part: string];
  readonly historyFile: string | undefined;
  /** @returns false to end. */
  line(text: string): Promise<boolean>;
}

export function defaultHistoryFile(env: Readonly<Record<string, string | undefined>>): string {
  const state = env.XDG_STATE_HOME || join(homedir(), '.local', 'state');
  return env.FSU_HISTORY || join(state, 'lump', 'fsu_history');
}

function readHistory(file: string | undefined): string[] {
  try {
    if (file === undefined) return [];
    return fs
      .readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .reverse();
  } catch {
    return [];
  }
}

/** A history that cannot be kept is no reason to fail. */
function writeHistory(file: string | undefined, history: readonly string[]): void {
  if (file === undefined) return;
  try {
    fs.mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const lines = [...history].reverse();
    fs.writeFileSync(file, lines.map((line) => `${line}\n`).join(''), { mode: 0o600 });
  } catch {}
}

/** Reads lines from a terminal, one at a time; a line's command has the terminal for itself. */
export function interact(prompting: Prompting): Promise<void> {
  const terminal = createInterface({
    input: process.stdin,
    output: process.stdout,
    terminal: true,
    history: readHistory(prompting.historyFile),
    historySize: HISTORY_LINES_MAX,
    removeHistoryDuplicates: true,
    completer: (line: string) => prompting.complete(line),
  });
  let history: readonly string[] = [];
  terminal.on('history', (lines: string[]) => {
    history = lines;
  });
  return new Promise((resolve, reject) => {
    let isBusy = false;
    const ask = (): void => {
      terminal.setPrompt(prompting.prompt());
      terminal.prompt();
    };
    terminal.on('line', (text) => {
      isBusy = true;
      terminal.pause();
      process.stdin.setRawMode?.(false);
      prompting.line(text).then((goesOn) => {
        isBusy = false;
        if (!goesOn) {
          terminal.close();
          return;
        }
        process.stdin.setRawMode?.(true);
        terminal.resume();
        ask();
      }, reject);
    });
    // Ctrl-C drops the line that is being written.
    terminal.on('SIGINT', () => {
      if (isBusy) return;
      process.stdout.write('^C\n');
      terminal.write(null, { ctrl: true, name: 'e' });
      terminal.write(null, { ctrl: true, name: 'u' });
      ask();
    });
    terminal.on('close', () => {
      if (history.length > 0) writeHistory(prompting.historyFile, history);
      resolve();
    });
    ask();
  });
}

/** @throws errors of the host */
export const readHostFile = (path: string): Uint8Array => fs.readFileSync(path);

/** @returns where to write to, and what ends it */
export function hostFile(
  path: string,
  append: boolean,
): { write(bytes: Uint8Array): void; close(): void } {
  const fd = fs.openSync(path, append ? 'a' : 'w');
  return {
    write(bytes) {
      for (let done = 0; done < bytes.length; ) done += fs.writeSync(fd, bytes, done);
    },
    close: () => fs.closeSync(fd),
  };
}

/** Names of a folder of the host that start with `start`; folders end in a slash. */
export function hostNames(folder: string, start: string): string[] {
  try {
    return fs
      .readdirSync(folder || '.', { withFileTypes: true })
      .filter((entry) => entry.name.startsWith(start))
      .map((entry) => encode(entry.isDirectory() ? `${entry.name}/` : entry.name));
  } catch {
    return [];
  }
}
