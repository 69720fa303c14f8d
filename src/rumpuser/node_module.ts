/** JavaScript modules of the host's files, loaded when they are asked for. */
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { HostError } from './rumpuser.js';

/**
 * Runs a module: CommonJS or ES, by its name and its package.json.
 * @returns what it exports as default, or else all that it exports
 * @throws HostError ENOENT; what the module throws
 */
export async function importModule(path: string): Promise<unknown> {
  const url = pathToFileURL(resolve(path)).href;
  try {
    const exported = (await import(url)) as Readonly<Record<string, unknown>>;
    return exported.default ?? exported;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // Not that of another module that it imports.
    const isItself = message.startsWith(`Cannot find module '${resolve(path)}'`);
    if (code !== 'ERR_MODULE_NOT_FOUND' || !isItself) throw error;
    throw new HostError('ENOENT', `no such module '${path}'`);
  }
}

/** Modules in a folder, sorted. @throws HostError */
export function modulesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => /\.[cm]?js$/.test(name))
      .sort()
      .map((name) => join(folder, name));
  } catch (error) {
    const { code = 'EIO', message } = error as NodeJS.ErrnoException;
    throw new HostError(code, message.replace(/^\w+: /, ''));
  }
}
