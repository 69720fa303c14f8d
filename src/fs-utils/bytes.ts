/**
 * File names, arguments and output are bytes. Inside these tools they are texts of which each
 * character is one byte (Latin-1), so that they can be split, compared and kept in maps; UTF-8 is
 * looked at only where columns are counted.
 */
export type ByteText = string;

export const toBytes = (text: ByteText): Buffer => Buffer.from(text, 'latin1');

export const fromBytes = (bytes: Uint8Array): ByteText =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');

/** Ordinary text → the bytes of its UTF-8. */
export const encode = (text: string): ByteText => Buffer.from(text, 'utf8').toString('latin1');

/** For messages of others that were made of our bytes. */
export const decode = (text: ByteText): string => Buffer.from(text, 'latin1').toString('utf8');
