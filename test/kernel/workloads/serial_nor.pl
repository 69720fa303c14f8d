# Makes mtdram as slow as serial NOR, with pages of 256 bytes: perl serial_nor.pl READ_BYTE_NS
# PROGRAM_PAGE_NS PROGRAM_BYTE_NS ERASE_NS. BPF programs on its functions wait busily for as long as
# the chip would take. They are there as long as this process, which says "ready" and sleeps.
my ($read_byte, $program_page, $program_byte, $erase) = @ARGV;
my $PAGE_LOG2 = 8;
my ($MAP_CREATE, $PROG_LOAD, $PERF_EVENT_OPEN, $BPF) = (0, 5, 298, 321);
my ($SET_BPF, $ENABLE) = (0x40042408, 0x2400);
my ($MAP_TYPE_ARRAY, $PROG_TYPE_KPROBE, $PERF_TYPE_TRACEPOINT) = (2, 2, 2);
my ($KTIME_GET_NS, $PROBE_READ_KERNEL) = (5, 113);
# Of pt_regs: a function's second and third argument.
my ($SI, $DX) = (104, 96);
my ($FINE, $COARSE) = (2048, 65536);
# Looks at the clock. The kernel follows each of them when it verifies a program.
my $ROUNDS = 500;

my $attributes = pack('LLLLL', $MAP_TYPE_ARRAY, 4, $COARSE, 1, 0) . "\0" x 60;
my $map = syscall($BPF, $MAP_CREATE, $attributes, length $attributes);
$map >= 0 or die "map: $!";

sub insn { my ($op, $dst, $src, $off, $imm) = @_; pack('CCsl', $op, $dst | $src << 4, $off, $imm) }
sub mov { insn(0xbf, $_[0], $_[1], 0, 0) }
sub add { insn(0x0f, $_[0], $_[1], 0, 0) }
sub add_imm { insn(0x07, $_[0], 0, 0, $_[1]) }
sub call { insn(0x85, 0, 0, 0, $_[0]) }

# Registers 6 and 7: first byte and length of a range; 8: how long to wait, the deadline then;
# 9: rounds. $copy bytes are copied between two looks at the clock.
sub waiting {
  my ($fixed, $page, $byte, $copy) = @_;
  my $range = insn(0x79, 6, 1, $SI, 0) . insn(0x79, 7, 1, $DX, 0) .
    mov(8, 7) . add(8, 6) . add_imm(8, (1 << $PAGE_LOG2) - 1) .
    insn(0x77, 8, 0, 0, $PAGE_LOG2) . insn(0x77, 6, 0, 0, $PAGE_LOG2) . insn(0x1f, 8, 6, 0, 0) .
    insn(0x27, 8, 0, 0, $page) . insn(0x27, 7, 0, 0, $byte) . add(8, 7);
  my $work = insn(0x18, 1, 2, 0, $map) . insn(0, 0, 0, 0, 0) . mov(3, 1) .
    insn(0xb7, 2, 0, 0, $copy) . call($PROBE_READ_KERNEL) . add_imm(9, 1);
  my $length = length($work) / 8;
  ($page || $byte ? $range : insn(0xb7, 8, 0, 0, 0)) .
    add_imm(8, $fixed) . call($KTIME_GET_NS) . add(8, 0) . insn(0xb7, 9, 0, 0, 0) .
    call($KTIME_GET_NS) . insn(0x3d, 0, 8, $length + 1, 0) . $work .
    insn(0xa5, 9, 0, -($length + 3), $ROUNDS) .
    insn(0xb7, 0, 0, 0, 0) . insn(0x95, 0, 0, 0, 0);
}

sub pointer { unpack('Q', pack('p', $_[0])) }

sub attach {
  my ($function, $program) = @_;
  my $licence = 'Dual BSD/GPL';
  my $attributes = pack('LLQQ', $PROG_TYPE_KPROBE, length($program) / 8, pointer($program),
    pointer($licence)) . "\0" x 24;
  my $bpf = syscall($BPF, $PROG_LOAD, $attributes, length $attributes);
  $bpf >= 0 or die "program for $function: $!";
  my $tracing = '/sys/kernel/tracing';
  open(my $to, '>>', "$tracing/kprobe_events") or die "kprobe_events: $!";
  print $to "p:slow_$function mtdram:$function\n";
  close $to or die "no probe on $function: $!";
  open(my $from, '<', "$tracing/events/kprobes/slow_$function/id") or die "id: $!";
  my $event = pack('LLQQ', $PERF_TYPE_TRACEPOINT, 112, <$from> + 0, 1) . "\0" x 88;
  my $fd = syscall($PERF_EVENT_OPEN, $event, -1, 0, -1, 0);
  $fd >= 0 or die "event of $function: $!";
  open(my $handle, '<&=', $fd) or die "handle: $!";
  ioctl($handle, $SET_BPF, $bpf) or die "program on $function: $!";
  ioctl($handle, $ENABLE, 0) or die "enabling $function: $!";
  $handle;
}

my @open = (
  attach('ram_write', waiting(0, $program_page, $program_byte, $FINE)),
  attach('ram_read', waiting(0, 0, $read_byte, $FINE)),
  attach('ram_point', waiting(0, 0, $read_byte, $FINE)),
  attach('ram_erase', waiting($erase, 0, 0, $COARSE)),
);
$| = 1;
print "ready\n";
sleep 1000000 while 1;
