/** sumtool: mtd-utils' command line; an image with erase block summaries from one without. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { jffs2_detect } from '../src/jffs2/detect.js';
import { BIG_ENDIAN, type Endian, LITTLE_ENDIAN } from '../src/jffs2/medium.js';
import { MakefsError } from '../src/makefs/fsnode.js';
import { parseCleanmarker, parseEraseSize } from '../src/makefs/jffs2_options.js';
import { addSummaries } from '../src/makefs/jffs2_sum.js';
import { ImageOutput } from './image_output.mjs';
import { failure, usageOutput } from './make_image.mjs';
import { describe, version } from './program.mjs';

const NAME = 'sumtool';

export const program = describe(
  new Command(NAME)
    .description('Puts the nodes of a jffs2 image into erase blocks with summaries.')
    .usage('-i image -o image [options]')
    .requiredOption('-i, --input <FILE>', 'image to read')
    .requiredOption('-o, --output <FILE>', 'image to write; "-" is standard output')
    .option('-e, --eraseblock <SIZE>', 'size of an erase block, instead of the one detected')
    .option('-c, --cleanmarker <SIZE>', 'size of the cleanmarkers (default: as in the image)')
    .option('-n, --no-cleanmarkers', 'no cleanmarkers, as for NAND flash')
    .option('-b, --bigendian', 'the image is big-endian (default: detected)')
    .option('-l, --littleendian', 'the image is little-endian')
    .option('-p, --pad', 'fill the last erase block with erased flash')
    .option('-v, --verbose', 'show statistics')
    .version(version(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this text')
    .configureOutput(usageOutput(NAME))
    .exitOverride(),
  {
    sections: [
      {
        title: 'Notes',
        text:
          'Nodes that are obsolete or damaged are left out. Summaries can be had at once, with ' +
          'mkfs.jffs2 --summary.',
      },
    ],
    exitStatus: [
      ['0', 'the image is made'],
      ['1', 'it is not; what was there stays'],
    ],
    examples: ['sumtool -i flash.jffs2 -o summed.jffs2 -e 128KiB -p'],
    seeAlso: ['mkfs.jffs2(1)', 'flash_inspect(1)'],
  },
);

interface Options {
  input: string;
  output: string;
  eraseblock?: string;
  cleanmarker?: string;
  cleanmarkers: boolean;
  bigendian?: true;
  littleendian?: true;
  pad?: true;
  verbose?: true;
}

export async function main(): Promise<number> {
  try {
    program.parse();
    return await run(program.opts<Options>());
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1;
    return failure(NAME, error);
  }
}

async function run(options: Options): Promise<number> {
  const say = (line: string): void => {
    process.stderr.write(`${NAME}: ${line}\n`);
  };
  const image = read(options.input);
  const found = jffs2_detect({
    sizeBytes: image.length,
    read(buffer, bufferOffset, length, position) {
      const piece = image.subarray(position, position + length);
      buffer.set(piece, bufferOffset);
      return piece.length;
    },
  });
  const endian: Endian | undefined = options.bigendian
    ? BIG_ENDIAN
    : options.littleendian
      ? LITTLE_ENDIAN
      : found?.endian;
  if (endian === undefined) throw new MakefsError(`${options.input} has no jffs2 nodes`);
  const detected = found?.certain ? found.erasesize : 65536;
  const eraseSizeBytes =
    options.eraseblock === undefined ? detected : parseEraseSize(options.eraseblock, say);
  const output = new ImageOutput(options.output, 0);
  try {
    const report = addSummaries(image, output, {
      endian,
      eraseSizeBytes,
      cleanmarkerBytes: options.cleanmarkers
        ? options.cleanmarker === undefined
          ? undefined
          : parseCleanmarker(options.cleanmarker, eraseSizeBytes)
        : 0,
      pad: options.pad === true,
    });
    await output.close();
    if (report.damaged > 0) say(`${report.damaged} damaged nodes are left out`);
    if (report.unknown > 0) say(`${report.unknown} nodes of unknown types are left out`);
    if (options.verbose) {
      say(`${endian.name}-endian, erase blocks of ${eraseSizeBytes} bytes`);
      say(`${report.nodes} nodes, ${report.sizeBytes} bytes`);
    }
    return 0;
  } catch (error) {
    output.abandon();
    throw error;
  }
}

function read(path: string): Uint8Array {
  try {
    const bytes = readFileSync(path);
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  } catch (error) {
    throw new MakefsError((error as Error).message);
  }
}
