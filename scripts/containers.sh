# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154
#
# For scripts that run unmodified programs in the virtual machine, each in a root
# file system of its own: what scripts/packages.sh has unpacked, writable. To be
# sourced, after lib.sh.

work=/tmp/containers

# make_root NAME [SET]: work/NAME/root, on what is in cache/roots/SET (or NAME)
#
# Its code is read once: idle time takes no time in this virtual machine, so a program
# that waits for its code to be loaded would seem to stand still.
make_root() {
	local directory=$work/$1 set=$cache/roots/${2:-$1} name
	find "$set" -type f \( -path '*/*bin/*' -o -name '*.so*' -o -path '*/lib/systemd/*' \) \
		-exec cat {} + >/dev/null
	mkdir -p "$directory"/{root,upper,work}
	mount -t overlay -o "lowerdir=$set,upperdir=$directory/upper,workdir=$directory/work" \
		"root-$1" "$directory/root"
	for name in dev proc sys; do
		mount --rbind "/$name" "$directory/root/$name"
	done
	mkdir -p "$directory"/root/{etc,run,tmp,root}
	echo 'root:x:0:0:root:/root:/bin/sh' >"$directory/root/etc/passwd"
	echo 'root:x:0:' >"$directory/root/etc/group"
}

# add_user NAME USER HOME: packages make theirs when they are installed
add_user() {
	echo "$2:x:100:100:$2:$3:/bin/false" >>"$work/$1/root/etc/passwd"
	echo "$2:x:100:" >>"$work/$1/root/etc/group"
}

# What the summary says
passed=0 failed=0 skipped=0

# check WHAT COMMAND...: one test, and a line about it
check() {
	local what=$1
	shift
	if "$@"; then
		echo "PASS $what"
		passed=$((passed + 1))
	else
		echo "FAIL $what"
		failed=$((failed + 1))
	fi
}

# skip WHAT
skip() {
	echo "SKIP $*"
	skipped=$((skipped + 1))
}

finish_checks() {
	echo "$passed passed, $failed failed, $skipped skipped"
	((passed > 0 && failed == 0))
}

# The state of the host's clock, without what changes by itself: all that
# adjtimex(2) returns and tells but the time, which is two of the words of its structure
host_state() {
	/usr/bin/python3 -c 'from ctypes import *
words = (c_long * 26)()
print(CDLL(None).adjtimex(words), *words[:9], *words[11:], sep="\n")'
}

# realtime_over_raw: CLOCK_REALTIME - CLOCK_MONOTONIC_RAW of the host, in ns. The
# latter counts what nobody can set.
realtime_over_raw() {
	/usr/bin/python3 -c 'from time import *
print(clock_gettime_ns(CLOCK_REALTIME) - clock_gettime_ns(CLOCK_MONOTONIC_RAW))'
}

# note_host, host_untouched: between the two, nobody has set the host's clock. One
# that nobody sets runs like the raw one, to some ns; it takes µs to read both.
note_host() {
	host_state_noted=$(host_state)
	host_over_raw_noted=$(realtime_over_raw)
}

host_untouched() {
	local moved
	moved=$(($(realtime_over_raw) - host_over_raw_noted))
	echo "     REALTIME has moved by $moved ns against RAW"
	diff <(echo "$host_state_noted") <(host_state) && ((moved < 20000 && moved > -20000))
}
