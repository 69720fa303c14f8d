/** An error for a person: what is wrong, where, and what to do. */
export class MountError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}
