/** flash_inspect: looks into images of flash without mounting them. */
import { flashInspectCommand, runFlashInspect } from './inspect_program.mjs';

const outcome = { status: 0 };

export const program = flashInspectCommand(outcome);
export const main = (): Promise<number> => runFlashInspect(program, outcome);
