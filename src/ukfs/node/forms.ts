/**
 * The three forms of node:fs, derived from one table. An operation checks its arguments at once and
 * answers what is to be done; so the synchronous form does it, the callback form throws for wrong
 * arguments and does it later, the promise form rejects for both.
 */
import { promisify } from 'node:util';
import { toFunction } from './arguments.js';
import { invalidReturnValue } from './errors.js';

/** What is to be done. A generator asks for the value of what it yields, which may be a promise. */
export type Run = () => unknown;
export type Operation = (...args: never[]) => Run;
export type Operations = Readonly<Record<string, Operation>>;

/** An answer of which callbacks get two values, and promises an object. */
export class Transfer {
  readonly count: number;
  readonly #countName: string;
  readonly #dataName: string;
  readonly data: unknown;

  constructor(countName: string, count: number, dataName: string, data: unknown) {
    this.#countName = countName;
    this.count = count;
    this.#dataName = dataName;
    this.data = data;
  }

  toObject(): Record<string, unknown> {
    return { [this.#countName]: this.count, [this.#dataName]: this.data };
  }
}

type Asking = Generator<unknown, unknown, unknown>;

const isAsking = (value: unknown): value is Asking =>
  Object.prototype.toString.call(value) === '[object Generator]';

function driveSync(asking: Asking): unknown {
  let step = asking.next();
  while (!step.done) {
    if (step.value instanceof Promise) {
      throw invalidReturnValue('boolean', 'filter', step.value);
    }
    step = asking.next(step.value);
  }
  return step.value;
}

async function driveAsync(asking: Asking): Promise<unknown> {
  let step = asking.next();
  while (!step.done) step = asking.next(await step.value);
  return step.value;
}

function settleSync(run: Run): unknown {
  const result = run();
  if (result instanceof Transfer) return result.count;
  return isAsking(result) ? driveSync(result) : result;
}

/** The next turn of the event loop, so that a row of calls lets timers and sockets have theirs. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function settleLater(run: Run): Promise<unknown> {
  await turn();
  const result = run();
  return isAsking(result) ? driveAsync(result) : result;
}

type AnyFunction = (...args: unknown[]) => unknown;

const prepare = (operation: Operation, args: readonly unknown[]): Run =>
  (operation as unknown as (...args: readonly unknown[]) => Run)(...args);

export function syncForm(operation: Operation): AnyFunction {
  return (...args) => settleSync(prepare(operation, args));
}

export function promiseForm(operation: Operation): (...args: unknown[]) => Promise<unknown> {
  return async (...args) => {
    const result = await settleLater(prepare(operation, args));
    return result instanceof Transfer ? result.toObject() : result;
  };
}

export function callbackForm(operation: Operation): AnyFunction {
  const callback = (...args: unknown[]): void => {
    // It stands last, and those before it may be left out.
    const place = operation.length;
    const found = args.findIndex((arg, at) => typeof arg === 'function' && at <= place);
    const at = found < 0 ? place : lastFunction(args, place);
    const done = toFunction(args[at]);
    const run = prepare(operation, args.slice(0, at));
    later(run, done);
  };
  const promised = promiseForm(operation);
  Object.defineProperty(callback, promisify.custom, { value: promised });
  return callback;
}

function lastFunction(args: readonly unknown[], place: number): number {
  let at = Math.min(place, args.length - 1);
  while (typeof args[at] !== 'function') at--;
  return at;
}

/** What a callback throws is nobody's error but its own: it must not come back to it. */
function later(run: Run, done: (...args: unknown[]) => void): void {
  setImmediate(() => {
    let result: unknown;
    try {
      result = run();
    } catch (error) {
      done(error);
      return;
    }
    if (result instanceof Transfer) done(null, result.count, result.data);
    else if (isAsking(result)) {
      driveAsync(result).then(
        () => setImmediate(done, null),
        (error) => setImmediate(done, error),
      );
    } else if (result === undefined) done(null);
    else done(null, result);
  });
}
