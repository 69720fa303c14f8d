/**
 * Process contexts: an operation runs in the name of an lwp, which belongs to a process with
 * credentials, a root and a current directory. There are no threads behind them (the core is
 * synchronous); "current" is a variable of the kernel.
 *
 * Source: reference rump.md §5.3.
 */
import { BUG_ON, KernelPanic } from '../lump/bug.js';
import { PUFFS_CRED_KERNEL } from '../puffs/cred.js';
import { NetbsdErrno } from './errno.js';
import type { kauth_cred } from './kauth.js';
import { vref, vrele, type vnode } from './vnode.js';

/** rfork's flags: descriptors are shared (0), copied, or the process begins with none. */
export const RUMP_RFFDG = 1;
export const RUMP_RFCFDG = 2;

/** cwdinfo: null stands for the root of the kernel's name space. */
interface cwdinfo {
  cwdi_cdir: vnode | null;
  cwdi_rdir: vnode | null;
}

export class proc {
  readonly p_pid: number;
  readonly p_cwdi: cwdinfo = { cwdi_cdir: null, cwdi_rdir: null };
  readonly p_lwps = new Set<lwp>();
  p_cred: kauth_cred;

  constructor(pid: number, cred: kauth_cred) {
    this.p_pid = pid;
    this.p_cred = cred;
  }
}

export class lwp {
  readonly l_lid: number;
  readonly l_proc: proc;
  /** Who asks: the process's, until an operation says otherwise. */
  l_cred: kauth_cred;

  constructor(lid: number, proc: proc) {
    this.l_lid = lid;
    this.l_proc = proc;
    this.l_cred = proc.p_cred;
  }
}

export class processes {
  /** pid 1, in whose name everything without a context of its own runs. */
  readonly lwp0: lwp;
  curlwp: lwp;
  private readonly procs = new Map<number, proc>();
  private last_pid = 0;
  private last_lid = 0;

  constructor() {
    this.lwp0 = this.spawn(PUFFS_CRED_KERNEL);
    this.curlwp = this.lwp0;
  }

  /** Live processes, the first among them. */
  get count(): number {
    return this.procs.size;
  }

  /**
   * A new process with one lwp, made current. Credentials and directories are inherited.
   * @throws EINVAL descriptors cannot be copied and empty.
   */
  rfork(flags: number): lwp {
    if ((flags & RUMP_RFFDG) !== 0 && (flags & RUMP_RFCFDG) !== 0) {
      throw new NetbsdErrno('EINVAL', 'rfork: both RFFDG and RFCFDG');
    }
    const { l_proc: parent, l_cred } = this.curlwp;
    const l = this.spawn(l_cred);
    const { cwdi_cdir, cwdi_rdir } = parent.p_cwdi;
    if (cwdi_cdir !== null) vref(cwdi_cdir);
    if (cwdi_rdir !== null) vref(cwdi_rdir);
    Object.assign(l.l_proc.p_cwdi, { cwdi_cdir, cwdi_rdir });
    this.curlwp = l;
    return l;
  }

  /** Another lwp in a process, made current. @throws ESRCH no such process. */
  newlwp(pid: number): lwp {
    const proc = this.procs.get(pid);
    if (proc === undefined) throw new NetbsdErrno('ESRCH', `process ${pid}`);
    const l = new lwp(++this.last_lid, proc);
    proc.p_lwps.add(l);
    this.curlwp = l;
    return l;
  }

  /** Makes `l` current; null leaves for the first process's. */
  switch(l: lwp | null): void {
    if (l !== null && !l.l_proc.p_lwps.has(l)) throw new KernelPanic(`lwp ${l.l_lid} has ended`);
    this.curlwp = l ?? this.lwp0;
  }

  /** Ends the current lwp, and its process with the last one. */
  releaselwp(): void {
    const l = this.curlwp;
    BUG_ON(l === this.lwp0, 'releaselwp without a context');
    const { l_proc } = l;
    l_proc.p_lwps.delete(l);
    this.curlwp = this.lwp0;
    if (l_proc.p_lwps.size > 0) return;
    this.procs.delete(l_proc.p_pid);
    const { cwdi_cdir, cwdi_rdir } = l_proc.p_cwdi;
    if (cwdi_cdir !== null) vrele(cwdi_cdir);
    if (cwdi_rdir !== null) vrele(cwdi_rdir);
  }

  private spawn(cred: kauth_cred): lwp {
    const p = new proc(++this.last_pid, cred);
    const l = new lwp(++this.last_lid, p);
    p.p_lwps.add(l);
    this.procs.set(p.p_pid, p);
    return l;
  }
}
