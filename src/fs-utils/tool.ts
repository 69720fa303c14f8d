/** What a tool is, and how its words are read. */
import { Command, CommanderError, Option } from 'commander';
import type { ByteText } from './bytes.js';
import { EXIT_USAGE, ToolError, strerror } from './errors.js';
import type { HostTree } from './host_tree.js';
import type { ImageTree } from './image_tree.js';
import { Names } from './names.js';
import type { Output } from './output.js';
import type { OpenedTree, SecondImage } from './second.js';

/** As commander writes it: "-a", "-m, --mode <mode>"; and what it is for. */
export type ToolOption = readonly [flags: string, about: string];

export interface Tool {
  /** The program is fsu_NAME. */
  readonly name: string;
  /** A sentence. */
  readonly about: string;
  /** After the image: "[-aAl] [file ...]". */
  readonly usage: string;
  /** Whether the image must be writable; it may depend on the words. */
  readonly writes: boolean | 'if possible' | ((argv: readonly ByteText[]) => boolean);
  readonly options: readonly ToolOption[];
  /** How many operands there must be. Default: any number. */
  readonly operands?: readonly [min: number, max: number];
  /** Words after the first operand are operands. */
  readonly stopsAtOperand?: boolean;
  /** Reads the words itself; options are for the manual then. */
  readonly parsesItself?: boolean;
  /** Words of which commander would make options. */
  readonly isOperand?: (word: string) => boolean;
  readonly notes?: readonly {
    readonly title: string;
    readonly text?: string;
    readonly rows?: readonly (readonly [string, string])[];
  }[];
  /** After "fsu_NAME image". */
  readonly examples?: readonly string[];
  readonly exitStatus?: readonly (readonly [string, string])[];
  readonly seeAlso?: readonly string[];
  /** @returns nothing, for what {@link ToolContext.status} is then; or the exit status. */
  run(context: ToolContext, words: Words): number | undefined | Promise<number | undefined>;
}

/** What is the same for all tools that work on one mounted image. */
export interface Session {
  readonly image: ImageTree;
  readonly host: HostTree;
  /** For df and the console. */
  readonly imagePath: ByteText;
  readonly type: string;
  readonly readOnly: boolean;
  readonly out: Output;
  readonly err: Output;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Columns of the terminal that `out` is; undefined: it is none. */
  readonly columns: number | undefined;
  readonly umask: number;
  /** For questions (cp -i, rm -i): whether the answer is yes. */
  confirm(question: ByteText): boolean;
  /** Standard input, until it ends. */
  input(): Iterable<Uint8Array>;
  /** Another image, or a directory of the host. @throws ToolError it cannot be used. */
  openSecond(name: ByteText, how: SecondImage): OpenedTree;
}

export class ToolContext {
  readonly session: Session;
  /** As messages have it: "fsu_ls". */
  readonly program: string;
  status = 0;
  #names: Names | undefined;

  constructor(session: Session, program: string) {
    this.session = session;
    this.program = program;
  }

  get tree(): ImageTree {
    return this.session.image;
  }
  get host(): HostTree {
    return this.session.host;
  }
  get out(): Output {
    return this.session.out;
  }
  get names(): Names {
    this.#names ??= new Names(this.tree, this.host);
    return this.#names;
  }

  /** A message; the tool goes on, and fails in the end. */
  warn(text: ByteText, status = 1): void {
    this.note(text);
    this.status = Math.max(this.status, status);
  }

  /** A message that is no failure. */
  note(text: ByteText): void {
    this.out.flush();
    this.session.err.write(`${this.program}: ${text}\n`);
    this.session.err.flush();
  }

  /** "path: why". @throws what is no error of a file system. */
  fail(path: ByteText, error: unknown, status = 1): void {
    this.warn(`${path}: ${strerror(error)}`, status);
  }

  /** Runs what may fail for one file. @returns whether it did not. */
  try(path: ByteText, call: () => void): boolean {
    try {
      call();
      return true;
    } catch (error) {
      this.fail(path, error);
      return false;
    }
  }
}

/** The words of a command line, after the image. */
export class Words {
  /** Names and values in their order, since later ones overrule earlier ones. */
  readonly #given: readonly (readonly [name: string, value: string])[];
  readonly operands: readonly ByteText[];

  constructor(given: readonly (readonly [string, string])[], operands: readonly ByteText[]) {
    this.#given = given;
    this.operands = operands;
  }

  has(name: string): boolean {
    return this.#given.some(([given]) => given === name);
  }

  /** Of the last occurrence. */
  value(name: string): string | undefined {
    return this.#given.findLast(([given]) => given === name)?.[1];
  }

  values(name: string): string[] {
    return this.#given.filter(([given]) => given === name).map(([, value]) => value);
  }

  /** Which of several options that exclude each other came last. */
  last(...names: readonly string[]): string | undefined {
    return this.#given.findLast(([given]) => names.includes(given))?.[0];
  }
}

const NEGATIVE_OPERAND = '\0';

export function commandOf(tool: Tool, given: [string, string][] = []): Command {
  const command = new Command(`fsu_${tool.name}`)
    .usage(tool.usage)
    .argument('[operand...]')
    .helpOption('--help', 'show this text')
    .exitOverride();
  if (tool.stopsAtOperand) command.passThroughOptions();
  for (const [flags, about] of tool.options) {
    const option = new Option(flags, about);
    command.addOption(option);
    command.on(`option:${option.name()}`, (value: string | null) => {
      given.push([option.name(), value ?? '']);
    });
  }
  return command;
}

/** @throws ToolError */
function parse(tool: Tool, program: string, argv: readonly ByteText[]): Words {
  if (tool.parsesItself) return new Words([], argv);
  const given: [string, string][] = [];
  const command = commandOf(tool, given).configureOutput({
    writeErr: () => {},
    writeOut: () => {},
  });
  const { isOperand = () => false } = tool;
  const end = argv.indexOf('--');
  // commander reads a leading dash as an option's; what is none is hidden from it.
  const hidden = argv.map((word, i) =>
    (end < 0 || i < end) && isOperand(word) ? NEGATIVE_OPERAND + word : word,
  );
  try {
    command.parse(hidden, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const text = error.message.replace(/^error: /, '').replace(/\.?\s*$/, '');
    throw new ToolError(`${text}\n${usage(tool, program)}`, EXIT_USAGE);
  }
  const operands = command.args.map((word) => word.replace(NEGATIVE_OPERAND, ''));
  const [min, max] = tool.operands ?? [0, Number.POSITIVE_INFINITY];
  if (operands.length < min || operands.length > max) {
    const problem = operands.length < min ? 'missing operand' : `extra operand '${operands[max]}'`;
    throw new ToolError(`${problem}\n${usage(tool, program)}`, EXIT_USAGE);
  }
  return new Words(given, operands);
}

export function usage(tool: Tool, program: string): string {
  const head = `${program}${program.startsWith('fsu_') ? ' image' : ''}`;
  const [first, ...others] = tool.usage.split('\n').map((line) => `${head} ${line}`.trimEnd());
  return [`usage: ${first}`, ...others.map((line) => `       ${line}`)].join('\n');
}

/** Runs a tool on a mounted image. @returns its exit status. */
export async function runTool(
  tool: Tool,
  session: Session,
  argv: readonly ByteText[],
  program = `fsu_${tool.name}`,
): Promise<number> {
  return run(tool, session, argv, program, async (context, words) => {
    const status = await tool.run(context, words);
    session.out.flush();
    return status ?? context.status;
  });
}

/** As {@link runTool}, for tools that do not wait for anything. */
export function runToolNow(
  tool: Tool,
  session: Session,
  argv: readonly ByteText[],
  program: string,
): number {
  return run(tool, session, argv, program, (context, words) => {
    const status = tool.run(context, words);
    if (status instanceof Promise) throw new ToolError('cannot be run by another tool');
    return status ?? context.status;
  });
}

function run<T extends number | Promise<number>>(
  tool: Tool,
  session: Session,
  argv: readonly ByteText[],
  program: string,
  call: (context: ToolContext, words: Words) => T,
): T | number {
  const context = new ToolContext(session, program);
  const refuse = (error: unknown): number => {
    if (!(error instanceof ToolError)) throw error;
    context.note(error.message);
    return error.status;
  };
  try {
    const result = call(context, parse(tool, program, argv));
    return result instanceof Promise ? (result.catch(refuse) as T) : result;
  } catch (error) {
    return refuse(error);
  }
}
