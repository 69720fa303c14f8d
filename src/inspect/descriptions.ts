/**
 * The medium described for other programs, from the one declaration in src/jffs2/medium.ts: a
 * Kaitai Struct description (formats/jffs2.ksy) and an ImHex pattern (formats/jffs2.hexpat).
 * `npm run formats` writes them; a test holds them current.
 */
import {
  MEDIA_STRUCTS,
  jffs2_raw_dirent,
  jffs2_raw_inode,
  jffs2_raw_summary,
  jffs2_raw_xattr,
  jffs2_raw_xref,
  jffs2_sum_dirent_flash,
  jffs2_sum_inode_flash,
  jffs2_sum_marker,
  jffs2_sum_xattr_flash,
  jffs2_sum_xref_flash,
  jffs2_unknown_node,
  JFFS2_NODETYPE_DIRENT,
  JFFS2_NODETYPE_INODE,
  JFFS2_NODETYPE_SUMMARY,
  JFFS2_NODETYPE_XATTR,
  JFFS2_NODETYPE_XREF,
  type MediaStruct,
} from '../jffs2/medium.js';
import { NODE_NAMES } from './usage.js';

const HEADER_FIELDS = jffs2_unknown_node.fields.length;

/** Node type → its structure, and the bytes behind its fixed part: field, its length. */
const BODIES: readonly {
  readonly type: number;
  readonly struct: MediaStruct;
  readonly payload: readonly (readonly [name: string, length: string])[];
}[] = [
  { type: JFFS2_NODETYPE_DIRENT, struct: jffs2_raw_dirent, payload: [['name', 'nsize']] },
  { type: JFFS2_NODETYPE_INODE, struct: jffs2_raw_inode, payload: [['data', 'csize']] },
  {
    type: JFFS2_NODETYPE_XATTR,
    struct: jffs2_raw_xattr,
    payload: [
      ['name', 'name_len'],
      ['nul', '1'],
      ['value', 'value_len'],
    ],
  },
  { type: JFFS2_NODETYPE_XREF, struct: jffs2_raw_xref, payload: [] },
  { type: JFFS2_NODETYPE_SUMMARY, struct: jffs2_raw_summary, payload: [] },
];
const ENTRIES: readonly (readonly [type: number, struct: MediaStruct])[] = [
  [JFFS2_NODETYPE_INODE, jffs2_sum_inode_flash],
  [JFFS2_NODETYPE_DIRENT, jffs2_sum_dirent_flash],
  [JFFS2_NODETYPE_XATTR, jffs2_sum_xattr_flash],
  [JFFS2_NODETYPE_XREF, jffs2_sum_xref_flash],
];

const hex4 = (value: number): string => `0x${value.toString(16).padStart(4, '0')}`;
const quoted = (text: string): string => JSON.stringify(text);
const GENERATED = 'Generated from src/jffs2/medium.ts by "npm run formats".';

// ---- Kaitai Struct ------------------------------------------------------------------------------

type Yaml = string | number | boolean | readonly Yaml[] | { readonly [key: string]: Yaml };

/** The subset of YAML that is needed: block style, text in double quotes. */
function yaml(value: Yaml, indent = ''): string {
  if (typeof value === 'string') return ` ${/^[a-z_][\w]*$/.test(value) ? value : quoted(value)}\n`;
  if (typeof value !== 'object') return ` ${value}\n`;
  if (Array.isArray(value)) {
    const items = value.map((item: Yaml) => {
      const text = yaml(item, `${indent}  `);
      // The first key of an object stands behind the dash.
      return typeof item === 'object' && !Array.isArray(item)
        ? `${indent}- ${text.trimStart()}`
        : `${indent}-${text}`;
    });
    return `\n${items.join('')}`;
  }
  const lines = Object.entries(value).map(
    ([key, item]) => `${indent}${key}:${yaml(item, `${indent}  `)}`,
  );
  return `\n${lines.join('')}`;
}

const ksyFields = (struct: MediaStruct, skip: number): Yaml[] =>
  struct.fields.slice(skip).map(([id, bytes, meaning]) => ({
    id,
    type: `u${bytes}`,
    ...(meaning !== '' && { doc: meaning }),
  }));

/** The Kaitai Struct description, as text of a .ksy file. */
export function kaitaiDescription(): string {
  const cases = (names: readonly (readonly [number, string])[]): Yaml =>
    Object.fromEntries(names.map(([type, name]) => [hex4(type), name]));
  const bodies = Object.fromEntries(
    BODIES.map(({ struct, payload, type }) => [
      struct.name,
      {
        seq: [
          ...ksyFields(struct, HEADER_FIELDS),
          ...payload.map(([id, size]): Yaml => ({ id, size: size === '1' ? 1 : size })),
          ...(type === JFFS2_NODETYPE_SUMMARY
            ? [
                { id: 'entries', type: 'sum_entry', repeat: 'expr', 'repeat-expr': 'sum_num' },
                { id: 'gap', size: '_io.size - _io.pos - 8', doc: 'erased' },
                { id: 'marker', type: jffs2_sum_marker.name },
              ]
            : []),
        ],
      },
    ]),
  );
  const entries = Object.fromEntries(
    ENTRIES.map(([type, struct]) => [
      struct.name,
      {
        seq: [
          ...ksyFields(struct, 1),
          ...(type === JFFS2_NODETYPE_DIRENT ? [{ id: 'name', size: 'nsize' }] : []),
        ],
      },
    ]),
  );
  const document: Yaml = {
    meta: {
      id: 'jffs2',
      title: 'JFFS2, the journalling flash file system, version 2',
      'file-extension': ['jffs2', 'img', 'bin'],
      license: 'BSD-2-Clause',
      'ks-version': '0.9',
      'bit-endian': 'le',
    },
    doc: `${GENERATED} A medium is a row of nodes, each on a 4-byte border, with erased flash (0xff) between them. All integers, CRCs included, are in the byte order of the writer, which the magic number of each node tells. CRCs are CRC-32 with initial value 0 and no final inversion.`,
    seq: [{ id: 'words', type: 'word', repeat: 'eos' }],
    types: {
      word: {
        doc: 'A node, or four bytes that begin none.',
        seq: [
          { id: 'magic', size: 2 },
          {
            id: 'node',
            type: 'node(magic[0] == 0x85)',
            if: '(magic[0] == 0x85 and magic[1] == 0x19) or (magic[0] == 0x19 and magic[1] == 0x85)',
          },
          {
            id: 'other',
            size: 2,
            if: 'not ((magic[0] == 0x85 and magic[1] == 0x19) or (magic[0] == 0x19 and magic[1] == 0x85)) and not _io.eof',
          },
        ],
      },
      node: {
        params: [{ id: 'is_little', type: 'bool' }],
        meta: { endian: { 'switch-on': 'is_little', cases: { true: 'le', false: 'be' } } },
        seq: [
          ...ksyFields(jffs2_unknown_node, 1),
          {
            id: 'body',
            size: 'totlen - 12',
            type: {
              'switch-on': 'nodetype | 0x2000',
              cases: cases(BODIES.map(({ type, struct }) => [type, struct.name])),
            },
          },
          {
            id: 'padding',
            size: '(4 - totlen % 4) % 4',
            if: 'not _io.eof',
            doc: 'up to the next 4-byte border',
          },
        ],
        instances: {
          is_obsolete: { value: '(nodetype & 0x2000) == 0', doc: 'marked so in place' },
        },
        types: {
          ...bodies,
          sum_entry: {
            seq: [
              { id: 'nodetype', type: 'u2' },
              {
                id: 'body',
                type: {
                  'switch-on': 'nodetype',
                  cases: cases(ENTRIES.map(([type, struct]) => [type, struct.name])),
                },
              },
            ],
          },
          ...entries,
          [jffs2_sum_marker.name]: { seq: ksyFields(jffs2_sum_marker, 0) },
        },
      },
    },
  };
  // Numbers as keys of cases must not be quoted.
  return `# ${GENERATED}\n${yaml(document).trimStart()}`;
}

// ---- ImHex --------------------------------------------------------------------------------------

const C_TYPES: Readonly<Record<number, string>> = { 1: 'u8', 2: 'u16', 4: 'u32' };

const cFields = (struct: MediaStruct, skip: number): string[] =>
  struct.fields.slice(skip).map(([name, bytes, meaning]) => {
    const comment = meaning === '' ? '' : ` [[comment(${quoted(meaning)})]]`;
    return `    ${C_TYPES[bytes]} ${name}${comment};`;
  });

const cStruct = (name: string, lines: readonly string[]): string =>
  `struct ${name} {\n${lines.join('\n')}\n};\n`;

/** The ImHex pattern, as text of a .hexpat file. */
export function imhexPattern(): string {
  const names = Object.entries(NODE_NAMES).map(
    ([type, name]) => `    ${name.toUpperCase()} = ${hex4(Number(type))},`,
  );
  const entries = ENTRIES.map(([type, struct]) =>
    cStruct(struct.name, [
      ...cFields(struct, 0),
      ...(type === JFFS2_NODETYPE_DIRENT ? ['    char name[nsize];'] : []),
    ]),
  );
  const bodies = BODIES.map(({ struct, payload, type }) => {
    const isSummary = type === JFFS2_NODETYPE_SUMMARY;
    return cStruct(struct.name, [
      ...cFields(struct, HEADER_FIELDS),
      ...payload.map(([name, size]) => {
        const kind = name === 'name' ? 'char' : 'u8';
        return size === '1' ? `    ${kind} ${name};` : `    ${kind} ${name}[${size}];`;
      }),
      ...(isSummary ? ['    sum_entry entries[sum_num];'] : []),
    ]);
  });
  const match = BODIES.map(({ type, struct }) => `        (${hex4(type)}): ${struct.name} body;`);
  const matchEntry = ENTRIES.map(
    ([type, struct]) => `        (${hex4(type)}): ${struct.name} entry;`,
  );
  return `// ${GENERATED}
#pragma description JFFS2, the journalling flash file system, version 2
#pragma pattern_limit 1000000

import std.core;
import std.mem;

enum node_type : u16 {
${names.join('\n')}
};

${entries.join('\n')}
struct sum_entry {
    u16 peeked [[no_unique_address, hidden]];
    match (peeked) {
${matchEntry.join('\n')}
    }
};

${bodies.join('\n')}
struct node {
    u32 start = $;
    u16 magic;
    u16 nodetype [[comment("compatibility class, ACCURATE bit and number")]];
    u32 totlen;
    u32 hdr_crc;
    match (nodetype | 0x2000) {
${match.join('\n')}
    }
    $ = start + (totlen + 3) / 4 * 4;
};

struct item {
    if (std::mem::read_unsigned($, 2, std::mem::Endian::Little) == 0x1985) {
        std::core::set_endian(std::mem::Endian::Little);
        node n [[inline]];
    } else if (std::mem::read_unsigned($, 2, std::mem::Endian::Big) == 0x1985) {
        std::core::set_endian(std::mem::Endian::Big);
        node n [[inline]];
    } else {
        padding[4];
    }
};

item items[while(!std::mem::eof())] @ 0x00;
`;
}

/** Structures that neither description mentions: there is none. */
export const UNDESCRIBED: readonly string[] = MEDIA_STRUCTS.map(({ name }) => name).filter(
  (name) =>
    name !== jffs2_unknown_node.name &&
    name !== jffs2_sum_marker.name &&
    !BODIES.some(({ struct }) => struct.name === name) &&
    !ENTRIES.some(([, struct]) => struct.name === name),
);
