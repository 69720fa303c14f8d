/** All tools, by name. */
import { cat } from './cat.js';
import { chflags, chgrp, chmod, chown } from './chmod.js';
import { cp, ecp, emv, get, put } from './cp.js';
import { diff } from './diff.js';
import { df, du } from './du.js';
import { exec } from './exec.js';
import { find } from './find.js';
import { ln } from './ln.js';
import { ls } from './ls.js';
import { mkdir, mkfifo } from './mkdir.js';
import { mknod } from './mknod.js';
import { mv } from './mv.js';
import { rm, rmdir } from './rm.js';
import { readlink, stat } from './stat.js';
import type { Tool } from './tool.js';
import { touch } from './touch.js';
import { write } from './write.js';

export const TOOLS: readonly Tool[] = [
  cat,
  chflags,
  chgrp,
  chmod,
  chown,
  cp,
  df,
  diff,
  du,
  ecp,
  emv,
  exec,
  find,
  get,
  ln,
  ls,
  mkdir,
  mkfifo,
  mknod,
  mv,
  put,
  readlink,
  rm,
  rmdir,
  stat,
  touch,
  write,
];
