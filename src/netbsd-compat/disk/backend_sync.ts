/** The first backend: each request is one call of the host's, and done when it returns. */
import type { HostFile } from '../../rumpuser/rumpuser.js';
import { disk_check, diskErrorOfHost, read_fully, type disk } from './disk.js';

export class disk_sync implements disk {
  readonly name: string;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  private readonly file: HostFile;

  constructor(file: HostFile, readOnly: boolean) {
    this.file = file;
    this.name = file.path;
    this.sizeBytes = file.size();
    this.readOnly = readOnly;
  }

  read(buf: Uint8Array, off: number, length: number, position: number): void {
    disk_check(this, length, position, false);
    read_fully(this.file, buf, off, length, position);
  }

  write(buf: Uint8Array, off: number, length: number, position: number): void {
    disk_check(this, length, position, true);
    try {
      this.file.write(buf, off, length, position);
    } catch (error) {
      throw diskErrorOfHost(error);
    }
  }

  flush(): void {
    if (this.readOnly) return;
    try {
      this.file.sync();
    } catch (error) {
      throw diskErrorOfHost(error);
    }
  }

  close(): void {
    this.file.close();
  }
}
