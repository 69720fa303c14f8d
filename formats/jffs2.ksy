# Generated from src/jffs2/medium.ts by "npm run formats".
meta:
  id: jffs2
  title: "JFFS2, the journalling flash file system, version 2"
  file-extension:
    - jffs2
    - img
    - bin
  license: "BSD-2-Clause"
  ks-version: "0.9"
  bit-endian: le
doc: "Generated from src/jffs2/medium.ts by \"npm run formats\". A medium is a row of nodes, each on a 4-byte border, with erased flash (0xff) between them. All integers, CRCs included, are in the byte order of the writer, which the magic number of each node tells. CRCs are CRC-32 with initial value 0 and no final inversion."
seq:
  - id: words
    type: word
    repeat: eos
types:
  word:
    doc: "A node, or four bytes that begin none."
    seq:
      - id: magic
        size: 2
      - id: node
        type: "node(magic[0] == 0x85)"
        if: "(magic[0] == 0x85 and magic[1] == 0x19) or (magic[0] == 0x19 and magic[1] == 0x85)"
      - id: other
        size: 2
        if: "not ((magic[0] == 0x85 and magic[1] == 0x19) or (magic[0] == 0x19 and magic[1] == 0x85)) and not _io.eof"
  node:
    params:
      - id: is_little
        type: bool
    meta:
      endian:
        switch-on: is_little
        cases:
          true: le
          false: be
    seq:
      - id: nodetype
        type: u2
        doc: "compatibility class, ACCURATE bit and number"
      - id: totlen
        type: u4
        doc: "header and payload; padded for XATTR, XREF, SUMMARY; unpadded for INODE, DIRENT"
      - id: hdr_crc
        type: u4
        doc: "CRC of bytes 0–7, computed with the ACCURATE bit set"
      - id: body
        size: "totlen - 12"
        type:
          switch-on: "nodetype | 0x2000"
          cases:
            0xe001: jffs2_raw_dirent
            0xe002: jffs2_raw_inode
            0xe008: jffs2_raw_xattr
            0xe009: jffs2_raw_xref
            0x2006: jffs2_raw_summary
      - id: padding
        size: "(4 - totlen % 4) % 4"
        if: "not _io.eof"
        doc: "up to the next 4-byte border"
    instances:
      is_obsolete:
        value: "(nodetype & 0x2000) == 0"
        doc: "marked so in place"
    types:
      jffs2_raw_dirent:
        seq:
          - id: pino
            type: u4
            doc: "inode number of the directory"
          - id: version
            type: u4
            doc: "in the directory's version space"
          - id: ino
            type: u4
            doc: "target; 0 deletes the name"
          - id: mctime
            type: u4
            doc: "seconds since 1970; 0 = no information"
          - id: nsize
            type: u1
            doc: "bytes of the name, 1…254"
          - id: type
            type: u1
            doc: "DT_ number, (mode & S_IFMT) >> 12"
          - id: unused
            type: u2
            doc: "ignored, but inside node_crc"
          - id: node_crc
            type: u4
          - id: name_crc
            type: u4
          - id: name
            size: nsize
      jffs2_raw_inode:
        seq:
          - id: ino
            type: u4
          - id: version
            type: u4
            doc: "at least 1; the highest valid one rules"
          - id: mode
            type: u4
            doc: st_mode
          - id: uid
            type: u2
            doc: "low 16 bits"
          - id: gid
            type: u2
            doc: "low 16 bits"
          - id: isize
            type: u4
            doc: "file size after this node is applied"
          - id: atime
            type: u4
            doc: "seconds since 1970"
          - id: mtime
            type: u4
          - id: ctime
            type: u4
          - id: offset
            type: u4
            doc: "of the data in the file"
          - id: csize
            type: u4
            doc: "bytes stored"
          - id: dsize
            type: u4
            doc: "bytes after decompression"
          - id: compr
            type: u1
            doc: "JFFS2_COMPR_*"
          - id: usercompr
            type: u1
            doc: "0"
          - id: flags
            type: u2
            doc: ignored
          - id: data_crc
            type: u4
          - id: node_crc
            type: u4
          - id: data
            size: csize
      jffs2_raw_xattr:
        seq:
          - id: xid
            type: u4
            doc: "number of the attribute datum, from 1"
          - id: version
            type: u4
          - id: xprefix
            type: u1
            doc: "JFFS2_XPREFIX_*"
          - id: name_len
            type: u1
            doc: "without prefix; 0 for ACLs"
          - id: value_len
            type: u2
          - id: data_crc
            type: u4
          - id: node_crc
            type: u4
          - id: name
            size: name_len
          - id: nul
            size: 1
          - id: value
            size: value_len
      jffs2_raw_xref:
        seq:
          - id: ino
            type: u4
          - id: xid
            type: u4
          - id: xseqno
            type: u4
            doc: "even = link, odd = removal of that link"
          - id: node_crc
            type: u4
      jffs2_raw_summary:
        seq:
          - id: sum_num
            type: u4
            doc: entries
          - id: cln_mkr
            type: u4
            doc: "bytes of the cleanmarker at the start of the erase block; 0 = none"
          - id: padded
            type: u4
            doc: "bytes of PADDING nodes, for information"
          - id: sum_crc
            type: u4
          - id: node_crc
            type: u4
          - id: entries
            type: sum_entry
            repeat: expr
            repeat-expr: sum_num
          - id: gap
            size: "_io.size - _io.pos - 8"
            doc: erased
          - id: marker
            type: jffs2_sum_marker
      sum_entry:
        seq:
          - id: nodetype
            type: u2
          - id: body
            type:
              switch-on: nodetype
              cases:
                0xe002: jffs2_sum_inode_flash
                0xe001: jffs2_sum_dirent_flash
                0xe008: jffs2_sum_xattr_flash
                0xe009: jffs2_sum_xref_flash
      jffs2_sum_inode_flash:
        seq:
          - id: inode
            type: u4
          - id: version
            type: u4
          - id: offset
            type: u4
          - id: totlen
            type: u4
      jffs2_sum_dirent_flash:
        seq:
          - id: totlen
            type: u4
          - id: offset
            type: u4
          - id: pino
            type: u4
          - id: version
            type: u4
          - id: ino
            type: u4
          - id: nsize
            type: u1
            doc: "the name follows"
          - id: type
            type: u1
          - id: name
            size: nsize
      jffs2_sum_xattr_flash:
        seq:
          - id: xid
            type: u4
          - id: version
            type: u4
          - id: offset
            type: u4
          - id: totlen
            type: u4
      jffs2_sum_xref_flash:
        seq:
          - id: offset
            type: u4
      jffs2_sum_marker:
        seq:
          - id: offset
            type: u4
            doc: "of the SUMMARY node in the erase block"
          - id: magic
            type: u4
            doc: "JFFS2_SUM_MAGIC"
