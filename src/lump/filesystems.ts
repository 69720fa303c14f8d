/** The table of file system types: Linux's fs/filesystems.c. */
import { Errno } from './errno.js';
import type { file_system_type } from './fs.js';
import { isErrno } from './errno.js';
import type { Lump } from './lump.js';
import { check_abi } from './module.js';

export class filesystems {
  private readonly lump: Lump;
  private readonly types = new Map<string, file_system_type>();

  constructor(lump: Lump) {
    this.lump = lump;
  }

  /** @throws ProgramMismatch built against another ABI; EBUSY the name is taken. */
  register_filesystem(type: file_system_type): void {
    check_abi(`file system ${type.name}`, type.abi_version);
    if (this.types.has(type.name)) throw new Errno('EBUSY', `file system ${type.name} exists`);
    this.types.set(type.name, type);
  }

  /** @throws EINVAL it is not registered. */
  unregister_filesystem(type: file_system_type): void {
    if (this.types.get(type.name) !== type)
      throw new Errno('EINVAL', `no file system ${type.name}`);
    this.types.delete(type.name);
  }

  /**
   * Finds a type by name, initialising the module of that name when there is one.
   * @throws ENODEV unknown.
   */
  get_fs_type(name: string): file_system_type {
    if (!this.types.has(name)) {
      try {
        this.lump.modules.request_module(name);
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw error;
      }
    }
    const type = this.types.get(name);
    if (type === undefined) throw new Errno('ENODEV', `unknown file system type ${name}`);
    return type;
  }

  /** Names, in the order of registration. */
  names(): string[] {
    return [...this.types.keys()];
  }
}
