/** Names of users and groups, from text files in the forms of passwd(5) and group(5). */
import type { ByteName } from '../lump/types.js';

export class UserDatabase {
  private readonly users: ReadonlyMap<ByteName, number>;
  private readonly groups: ReadonlyMap<ByteName, number>;

  /** @param passwd text of passwd or master.passwd; both have the number in the third field. */
  constructor(passwd: string, group: string) {
    this.users = numbers(passwd);
    this.groups = numbers(group);
  }

  uid(name: ByteName): number | undefined {
    return this.users.get(name);
  }

  gid(name: ByteName): number | undefined {
    return this.groups.get(name);
  }
}

function numbers(text: string): Map<ByteName, number> {
  const found = new Map<ByteName, number>();
  for (const line of text.split('\n')) {
    const [name, , number] = line.split(':');
    // The first of two lines counts, as in getpwnam(3).
    if (name && /^\d+$/.test(number ?? '') && !name.startsWith('#') && !found.has(name)) {
      found.set(name, Number(number));
    }
  }
  return found;
}
