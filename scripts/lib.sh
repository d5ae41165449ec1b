# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# What every script here needs: where things are, how to say what is going on,
# one lock a directory of the cache, and the one toolchain that builds kernel
# and module. To be sourced.

set -euo pipefail
shopt -s inherit_errexit

say() {
	printf '%s\n' "$*" >&2
}

# With status 1, unless a script has another one for what it fails at itself
die() {
	say "${0##*/}: $*"
	exit "${failure:-1}"
}

# The kernel's makefiles are called on their own: options and job server of an
# outer make are not meant for them.
unset MAKEFLAGS MFLAGS MAKELEVEL
export LC_ALL=C.UTF-8

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cache=${TIMENS_CACHE:-${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}}
[[ -n $cache ]] || die "HOME is not set: say with TIMENS_CACHE= where kernels are to be kept"
if [[ -z ${TIMENS_CACHE:-} ]]; then
	cache+=/timens-clock
fi
mkdir -p "$cache"
cache=$(cd "$cache" && pwd -P)
# For what is called from another directory
export TIMENS_CACHE=$cache
jobs=${JOBS:-$(nproc)}

# Make takes them apart at spaces and colons, and a percent sign stands for any text.
for directory in "$repo" "$cache"; do
	if [[ $directory == *[^[:alnum:]/._+@~-]* ]]; then
		die "kernels cannot be built in '$directory': make wants letters, digits and ._+@~- in a" \
			"path (TIMENS_CACHE= is where they are kept)"
	fi
done
unset directory

# The process groups that in_group has started
declare -A groups=()

# Ends them, and waits for that: afterwards nobody holds a lock for them.
end_groups() {
	local group
	# Neither impatience nor a reader that has ended before stops this.
	trap '' HUP INT PIPE TERM
	for group in "${!groups[@]}"; do
		kill -- "-$group" 2>/dev/null || true
	done
	for group in "${!groups[@]}"; do
		for _ in {1..100}; do
			kill -0 -- "-$group" 2>/dev/null || break
			sleep 0.1
		done
		kill -KILL -- "-$group" 2>/dev/null || true
	done
}

# Whatever ends this shell, ends them, too.
end_with_groups() {
	groups=()
	trap end_groups EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 141' PIPE
	trap 'exit 143' TERM
}
end_with_groups

# in_group COMMAND...: in the background, as process $!
#
# As a job of this shell's own group it would ignore the interrupts of a terminal, and what
# it has started would outlive it. So it is a group that ends with this shell, and passes that on.
in_group() {
	set -m
	{
		end_with_groups
		"$@"
	} &
	set +m
	groups[$!]=
}

# elapsed SECONDS: as 1:02
elapsed() {
	printf '%d:%02d' $(($1 / 60)) $(($1 % 60))
}

# run_step TITLE LOG COMMAND...
#
# One line for a step that takes long: what it is, how many lines its log has
# by now (for make that is files compiled), and how long it took. The output
# itself goes to LOG, and its end is shown when the command fails. On a terminal the line
# is written over, unless progress=lines.
run_step() {
	local title=$1 log=$2
	shift 2
	local start=$SECONDS status=0 shown=0 pid lines terminal=
	if [[ -t 2 && ${progress:-} != lines ]]; then
		terminal=1
	fi
	mkdir -p "$(dirname "$log")"
	in_group "$@" >"$log" 2>&1 </dev/null
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.2
		if ((SECONDS - start < shown)); then
			continue
		fi
		lines=$(wc -l <"$log")
		if [[ -n $terminal ]]; then
			printf '\r%s ... %s lines, %s ' "$title" "$lines" \
				"$(elapsed $((SECONDS - start)))" >&2
			shown=$((SECONDS - start + 1))
		elif ((SECONDS > start)); then
			say "$title ... $lines lines, $(elapsed $((SECONDS - start)))"
			shown=$((SECONDS - start + 60))
		else
			shown=30
		fi
	done
	wait "$pid" || status=$?
	unset "groups[$pid]"
	if [[ -n $terminal ]]; then
		printf '\r\033[K' >&2
	fi
	if ((status)); then
		say "$title: failed with status $status after $(elapsed $((SECONDS - start)))," \
			"log in $log, which ends:"
		tail -n 30 "$log" | sed 's/^/  | /' >&2
		return "$status"
	fi
	say "$title: done in $(elapsed $((SECONDS - start)))"
}

# take_lock NAME [-s]
#
# Held until the calling script ends, or until drop_lock NAME.
declare -A lock_fd=()
take_lock() {
	local name=$1 fd
	shift
	mkdir -p "$cache/lock"
	exec {fd}>>"$cache/lock/$name"
	if ! flock -n "$@" "$fd"; then
		say "waiting for another process that uses $name in $cache"
		flock "$@" "$fd"
	fi
	lock_fd[$name]=$fd
}

drop_lock() {
	local fd=${lock_fd[$1]}
	exec {fd}>&-
	unset "lock_fd[$1]"
}

# at_least WANTED VERSION
at_least() {
	[[ $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]
}

# What the kernel and its bindings ask for (scripts/min-tool-version.sh there).
min_rustc=1.85.0
min_cargo=1.85.0
min_bindgen=0.71.1
bindgen_version=0.72.1

rustc_release() {
	"$1" -vV 2>/dev/null | sed -n 's/^release: *\([0-9.]*\).*/\1/p'
}

rustc_llvm() {
	"$1" -vV 2>/dev/null | sed -n 's/^LLVM version: *\([0-9]*\).*/\1/p'
}

# The kernel compiles Rust's core library itself.
has_core_source() {
	[[ -e $("$1" --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library/core/src/lib.rs ]]
}

clang_major() {
	"$1" --version 2>/dev/null | sed -n 's/.*clang version \([0-9]*\).*/\1/p' | head -n 1
}

# llvm_suffix MAJOR: what LLVM= must be so that the kernel takes that version
llvm_suffix() {
	if command -v "clang-$1" "ld.lld-$1" "llvm-ar-$1" "llvm-link-$1" >/dev/null; then
		echo "-$1"
	elif [[ $(clang_major clang) == "$1" ]] &&
		command -v ld.lld llvm-ar llvm-link >/dev/null; then
		echo 1
	else
		return 1
	fi
}

# Candidates in order of preference: what the user says, what is first in the
# path, and what the distribution has (a rustup toolchain first in the path
# often lacks the library's source).
rustc_candidates() {
	if [[ -n ${RUSTC:-} ]]; then
		echo "$RUSTC"
		return
	fi
	{
		command -v rustc || true
		echo /usr/bin/rustc
	} | awk '!seen[$0]++'
}

# find_toolchain: sets the variables below, or says what is missing and fails
find_toolchain() {
	local candidate
	kernel_rustc='' kernel_llvm='' llvm_major=''
	for candidate in $(rustc_candidates); do
		at_least "$min_rustc" "$(rustc_release "$candidate")" || continue
		has_core_source "$candidate" || continue
		llvm_major=$(rustc_llvm "$candidate")
		if [[ -n ${LLVM:-} ]]; then
			kernel_llvm=$LLVM
		else
			kernel_llvm=$(llvm_suffix "$llvm_major") || continue
		fi
		kernel_rustc=$(command -v "$candidate")
		break
	done
	[[ -n $kernel_rustc ]] || return 1
	kernel_hostrustc=${HOSTRUSTC:-$kernel_rustc}
	kernel_bindgen=${BINDGEN:-$cache/tools/bin/bindgen}
	# Both come with the compiler and only fit the same version of it.
	kernel_clippy=$(sibling "$kernel_rustc" clippy-driver)
	kernel_rustfmt=$(sibling "$kernel_rustc" rustfmt)
	if [[ -d /usr/lib/llvm-$llvm_major/lib ]]; then
		export LIBCLANG_PATH=${LIBCLANG_PATH:-/usr/lib/llvm-$llvm_major/lib}
	fi
}

sibling() {
	local path
	path=$(dirname "$1")/$2
	if [[ -x $path ]]; then
		echo "$path"
	else
		echo "$2"
	fi
}

find_cargo() {
	local candidate
	for candidate in ${CARGO:-cargo /usr/bin/cargo}; do
		if at_least "$min_cargo" "$("$candidate" --version 2>/dev/null | cut -d ' ' -f 2)"; then
			cargo=$(command -v "$candidate")
			return
		fi
	done
	return 1
}

# run_cargo ARGS...: RUSTC is the kernel's compiler, and need not be cargo's
run_cargo() {
	env -u RUSTC -u RUSTDOC -u RUSTFLAGS -u LLVM "$cargo" "$@"
}

# kernel_make CONFIG ARGS...: the kernel's make, in that configuration's tree
kernel_make() {
	local config=$1
	shift
	make -C "$(source_tree "$config")" O="$cache/build/$config" \
		LLVM="$kernel_llvm" RUSTC="$kernel_rustc" HOSTRUSTC="$kernel_hostrustc" \
		BINDGEN="$kernel_bindgen" CLIPPY_DRIVER="$kernel_clippy" \
		RUSTFMT="$kernel_rustfmt" -j "$jobs" "$@"
}

# The configurations, and the source tree that each is built from. One more,
# warnings, is a copy of production in which scripts/check-warnings compiles.
configs=(production debug mainline builtin no-time-ns no-rust rt nohz-full lowres up hz250)

source_tree() {
	case $1 in
	production | debug | no-* | rt | nohz-full | lowres | up | hz250 | warnings) echo "$cache/src/patched" ;;
	mainline) echo "$cache/src/mainline" ;;
	builtin) echo "$cache/src/builtin" ;;
	*) die "no configuration '$1': there are ${configs[*]}" ;;
	esac
}

# copy_build CONFIG NEW: the objects of another configuration, as NEW
#
# Recorded commands and dependencies hold the paths of both trees. With these
# replaced, make compiles what the other configuration is about and no more.
copy_build() {
	local from=$cache/build/$1 to=$cache/build/$2
	take_lock "build-$1" -s
	rm -rf "$to.new"
	cp -a "$from" "$to.new"
	drop_lock "build-$1"
	rm -f "$to.new"/{complete,key,source,Makefile}
	find "$to.new" -name '*.cmd' -print0 |
		xargs -0 sed -i "s,$(source_tree "$1")/,$(source_tree "$2")/,g; s,$from/,$to/,g"
	mv "$to.new" "$to"
}
