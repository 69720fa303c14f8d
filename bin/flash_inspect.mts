/** flash_inspect: looks into images of flash without mounting them. */
import { flashInspectCommand, runFlashInspect } from './inspect_program.mjs';

const outcome = { status: 0 };

export const program = flashInspectCommand(outcome);

export function main(): Promise<number> {
  // Who reads us may have seen enough.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(outcome.status);
  });
  return runFlashInspect(program, outcome);
}
