# Shared by the workloads. $IN/noise: 1 MiB that does not compress. $IN/text: 1 MiB that does.

# random N: the next pseudo-random number below N, in $random. The seed is the job's.
seed=${SEED:-1}
random() {
  seed=$(( (seed * 1103515245 + 12345) & 0x7fffffff ))
  random=$(( (seed >> 8) % $1 ))
}

# piece FILE OFFSET LENGTH SOURCE FROM: overwrites a range, one write call per 64 KiB.
piece() {
  tail -c +$(( $5 + 1 )) "$4" | head -c "$3" |
    dd of="$1" bs=64k seek="$2" oflag=seek_bytes iflag=fullblock conv=notrunc 2>/dev/null
}
