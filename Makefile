# SPDX-License-Identifier: GPL-2.0
#
# A thin layer over scripts/, where each script says what it does.

.NOTPARALLEL:

help:
	@echo 'make demo     containers with clocks of their own, side by side with the host'
	@echo 'make test     the tests; scripts/test STEP... runs some, also those that are only run by name'
	@echo 'make test-configs  the same in the guest on other kernels: PREEMPT_RT, NO_HZ_FULL, no'
	@echo '              high resolution timers, one CPU'
	@echo 'make bench    what it costs, in instructions, against the kernel without patches'
	@echo
	@echo 'make deps     install what this machine lacks (the other targets do it as well)'
	@echo 'make kernel   the patched kernel (CONFIG=production, debug, mainline, builtin ...)'
	@echo 'make modules  the Rust module for it'
	@echo 'make tools    timens, and the programs of the tests'
	@echo 'make vm       run CMD in a virtual machine, such as CMD="timens list";'
	@echo '              scripts/vm --help says what else it can do'
	@echo 'make clean    remove what was built in this directory (the kernels are in the cache)'
	@echo
	@echo 'KERNEL_SRC=   a Linux 7.3 tree or tarball, instead of the one from Debian: each time,'
	@echo '              for without it, the tree is the one from Debian again'
	@echo 'TIMENS_CACHE= where kernels are kept, instead of ~/.cache/timens-clock'
	@echo 'JOBS=         how many compilers at a time, of the kernel'
	@echo 'TIMENS_JOBS=  how many steps of make test at a time that are not compiling'
	@echo 'RUSTC= LLVM= BINDGEN= CARGO= QEMU=  programs to use, instead of those found or installed'
	@echo 'VMFLAGS=      options of scripts/vm for make vm'

CONFIG ?= production
export CMD ?= uname -a

deps:
	@scripts/deps

kernel: deps
	@scripts/build-kernel $(CONFIG)

modules: kernel
	@case $(CONFIG) in \
	mainline|builtin|no-*) ;; \
	*) scripts/build-module $(CONFIG);; \
	esac

tools: deps
	@scripts/build-tools

vm: modules tools
	@scripts/vm --config $(CONFIG) $(VMFLAGS) -- sh -c "$$CMD"

demo:
	@scripts/demo

bench: modules tools
	@scripts/build-kernel mainline
	@scripts/bench

test:
	@scripts/test

test-configs:
	@scripts/test-configs

clean:
	rm -rf build target

.PHONY: help deps kernel modules tools vm demo bench test test-configs clean
