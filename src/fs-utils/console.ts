/** fsu_console: all the tools on one mounted image, line by line. */
import { decode, encode, fromBytes, type ByteText } from './bytes.js';
import { together } from './cat.js';
import { expand, parseLine, splitCommands, type Line } from './command_line.js';
import { EXIT_USAGE, ToolError, isSystemError, strerror } from './errors.js';
import { runShell } from './host_command.js';
import { defaultHistoryFile, hostFile, hostNames, interact, readHostFile } from './host_console.js';
import { Output } from './output.js';
import { commandOf, runTool, type Session, type Tool, type ToolContext } from './tool.js';
import { TOOLS } from './tools.js';
import { byName } from './traverse.js';
import { isDirectory } from './tree.js';

const BUILT_IN: Readonly<Record<string, string>> = {
  cd: 'cd [directory]: change the working directory in the image',
  exit: 'exit: the end, as quit and Ctrl-D',
  help: 'help [command]: this list, or what a command takes',
  lcd: 'lcd [directory]: change the working directory of the host',
  lpwd: 'lpwd: show the working directory of the host',
  pwd: 'pwd: show the working directory in the image',
  quit: 'quit: the end',
  sync: 'sync: bring everything to stable storage',
};

/** Whose file names are the host's: all of the operands, or the last. */
const HOST_OPERANDS: readonly string[] = ['lcd', 'put'];

class Console {
  readonly #context: ToolContext;
  readonly #tools = new Map<string, Tool>(TOOLS.map((tool) => [tool.name, tool]));
  #ends = false;

  constructor(context: ToolContext) {
    this.#context = context;
  }

  get ends(): boolean {
    return this.#ends;
  }

  /** Commands up to the first that fails. @returns its exit status, or 0. */
  async run(text: ByteText): Promise<number> {
    const trimmed = text.trim();
    if (trimmed.startsWith('!')) return this.#told(runShell(decode(trimmed.slice(1))));
    if (trimmed.startsWith('#')) return 0;
    for (const command of splitCommands(trimmed)) {
      const status = await this.#one(command);
      if (status !== 0 || this.#ends) return status;
    }
    return 0;
  }

  async #one(text: ByteText): Promise<number> {
    const { session } = this.#context;
    const line = parseLine(text);
    if (typeof line === 'string') return this.#refuse(line);
    if (line.words.length === 0) return 0;
    try {
      return await this.#redirected(line, session);
    } catch (error) {
      if (error instanceof ToolError) return this.#refuse(error.message);
      if (!isSystemError(error)) throw error;
      const { path } = error as { path?: string };
      return this.#refuse(
        `${path === undefined ? '' : `${encode(String(path))}: `}${strerror(error)}`,
      );
    }
  }

  #refuse(text: ByteText): number {
    this.#context.note(text);
    return 1;
  }

  #told({ status, message }: { readonly status: number; readonly message?: string }): number {
    if (message !== undefined) this.#context.note(message);
    return status;
  }

  async #redirected(line: Line, outer: Session): Promise<number> {
    let session = outer;
    if (line.input !== undefined) {
      const bytes = readHostFile(decode(line.input));
      session = { ...session, input: () => [bytes] };
    }
    if (line.output !== undefined) {
      const file = hostFile(decode(line.output.path), line.output.append);
      try {
        return await this.#command(line, {
          ...session,
          columns: undefined,
          out: new Output(file.write),
        });
      } finally {
        file.close();
      }
    }
    if (line.pipe === undefined) return this.#command(line, session);
    const chunks: Uint8Array[] = [];
    const out = new Output((bytes) => chunks.push(Uint8Array.from(bytes)));
    const status = await this.#command(line, { ...session, columns: undefined, out });
    const piped = this.#told(runShell(decode(line.pipe), Buffer.concat(chunks)));
    return piped || status;
  }

  async #command(line: Line, session: Session): Promise<number> {
    const name = line.words[0]!.text.replace(/^fsu_/, '');
    const tree = name === 'put' || name === 'lcd' ? session.host : session.image;
    const words = line.words
      .slice(1)
      .flatMap((word) => (name === 'find' ? [word.text] : expand(tree, word)));
    const tool = this.#tools.get(name);
    if (tool !== undefined) return runTool(tool, session, words, name);
    if (!(name in BUILT_IN)) {
      throw new ToolError(`${name}: there is no such command; help lists those there are`);
    }
    return this.#builtIn(name, words, session);
  }

  #builtIn(name: string, words: readonly ByteText[], session: Session): number {
    const { image, out } = session;
    switch (name) {
      case 'cd':
        image.ukfs.chdir(Buffer.from(words[0] ?? '/', 'latin1'));
        break;
      case 'pwd':
        out.write(`${fromBytes(image.ukfs.cwdBytes())}\n`);
        break;
      case 'lcd':
        process.chdir(decode(words[0] ?? encode(session.environment.HOME ?? '.')));
        break;
      case 'lpwd':
        out.write(`${encode(process.cwd())}\n`);
        break;
      case 'sync':
        image.ukfs.sync();
        break;
      case 'help':
        out.write(this.#help(words[0]));
        break;
      default:
        this.#ends = true;
    }
    out.flush();
    return 0;
  }

  #help(about: string | undefined): string {
    if (about !== undefined) {
      const tool = this.#tools.get(about.replace(/^fsu_/, ''));
      if (tool !== undefined)
        return `${tool.about}\n${commandOf(tool).name(tool.name).helpInformation()}`;
      if (about in BUILT_IN) return `${BUILT_IN[about]}\n`;
      throw new ToolError(`${about}: there is no such command`);
    }
    const rows = [
      ...TOOLS.map((tool): [string, string] => [tool.name, tool.about]),
      ...Object.entries(BUILT_IN),
    ].sort(([a], [b]) => byName(a, b));
    const lines = rows.map(([name, text]) => `  ${name.padEnd(10)} ${text}\n`);
    return (
      `${lines.join('')}\n  !command    a command of the host; and after a command: | command, > file, ` +
      '>> file,\n              < file, all of the host\n'
    );
  }

  complete(line: string): [string[], string] {
    const before = /^(.*?[\s<>|]|)((?:\\.|[^\s<>|])*)$/s.exec(encode(line));
    if (before === null) return [[], line];
    const [, head, part] = before as unknown as [string, string, string];
    const unescaped = part.replace(/\\(.)/gs, '$1');
    const quote = (name: ByteText): string => decode(name.replace(/[\s\\'"|<>*?[]/g, '\\$&'));
    if (head.trim() === '') {
      const names = [...this.#tools.keys(), ...Object.keys(BUILT_IN)].sort(byName);
      return [
        names.filter((name) => name.startsWith(unescaped)).map((name) => `${name} `),
        decode(part),
      ];
    }
    const command = head.trim().split(/\s+/)[0]!.replace(/^fsu_/, '');
    const slash = unescaped.lastIndexOf('/') + 1;
    const [folder, start] = [unescaped.slice(0, slash), unescaped.slice(slash)];
    const isHost = HOST_OPERANDS.includes(command) || /[<>]\s*$/.test(head);
    const names = isHost
      ? hostNames(decode(folder), decode(start))
      : this.#imageNames(folder, start);
    return [names.map((name) => quote(folder + name)), decode(part)];
  }

  #imageNames(folder: ByteText, start: ByteText): ByteText[] {
    const { tree } = this.#context;
    try {
      return tree
        .readdir(folder || '.')
        .filter((name) => name.startsWith(start) && (start !== '' || !name.startsWith('.')))
        .sort(byName)
        .map((name) => (isDirectory(tree.lstat(folder + name)) ? `${name}/` : name));
    } catch (error) {
      if (isSystemError(error)) return [];
      throw error;
    }
  }
}

/** Lines of a script; the first one that fails ends it, unless a "-" stands before it. */
async function runScript(
  context: ToolContext,
  console: Console,
  name: string,
  text: ByteText,
): Promise<number> {
  for (const [i, line] of text.split('\n').entries()) {
    const mayFail = line.startsWith('-');
    const status = await console.run(mayFail ? line.slice(1) : line);
    context.out.flush();
    if (status !== 0 && !mayFail) {
      context.note(`${name}:${i + 1}: ended with status ${status}: ${line.trim()}`);
      return status;
    }
    if (console.ends) break;
  }
  return 0;
}

export const consoleTool: Tool = {
  name: 'console',
  about: 'Runs the tools on one mounted image, from a terminal or a script.',
  usage: '[-c commands | script]',
  writes: 'if possible',
  options: [['-c <commands>', 'these commands, separated by newlines or semicolons']],
  operands: [0, 1],
  notes: [
    {
      title: 'Commands',
      text:
        'Every tool, with or without fsu_ before its name, and with the same words after the image; ' +
        'cd, pwd, lcd, lpwd, sync, help, exit. Words may be quoted; *, ? and [ ] stand for names of the ' +
        'image. Output goes to the host with | command, > file or >> file; < file is standard input; ' +
        '!command is one of the host. On a terminal there are a history and completion of names with ' +
        'Tab.\n\nA script, or standard input that is no terminal, ends at the first line that fails; a ' +
        '"-" before a line lets it fail.',
    },
  ],
  examples: ['', "-c 'cd /etc; ls -l; cat passwd'", 'commands.txt'],
  seeAlso: ['fsu_ls(1)', 'fsu_exec(1)'],
  async run(context, words) {
    const { session } = context;
    const console = new Console(context);
    const commands = words.value('c');
    const [script] = words.operands;
    if (commands !== undefined && script !== undefined) {
      throw new ToolError('-c and a script exclude each other', EXIT_USAGE);
    }
    if (commands !== undefined) {
      return runScript(context, console, '-c', commands);
    }
    if (script !== undefined) {
      let text = '';
      if (
        !context.try(script, () => {
          text = fromBytes(readHostFile(decode(script)));
        })
      )
        return 1;
      return runScript(context, console, script, text);
    }
    if (session.columns === undefined || !process.stdin.isTTY) {
      const text = fromBytes(together(session.input()));
      return runScript(context, console, 'standard input', text);
    }
    if (session.readOnly) context.note('the image can only be read');
    let status = 0;
    await interact({
      prompt: () => `${context.tree.ukfs.cwd()}> `,
      complete: (line) => console.complete(line),
      historyFile: defaultHistoryFile(session.environment),
      async line(text) {
        status = await console.run(encode(text));
        context.out.flush();
        return !console.ends;
      },
    });
    return status;
  },
};
