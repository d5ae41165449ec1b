// SPDX-License-Identifier: GPL-2.0
/*
 * Reads every clock in every way that a 32-bit program has, and writes the
 * readings to standard output as struct reading. Needs no library, so that
 * a compiler is enough to build it.
 */

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

#define NR_write		4
#define NR_time			13
#define NR_times		43
#define NR_gettimeofday		78
#define NR_exit_group		252
#define NR_clock_gettime	265
#define NR_clock_gettime64	403

/* The order is known to src/tests/ia32.rs. */
enum way {
	SYSCALL64,
	VDSO64,
	SYSCALL32,
	VDSO32,
	SYSCALL_GETTIMEOFDAY,
	VDSO_GETTIMEOFDAY,
	SYSCALL_TIME,
	VDSO_TIME,
	SYSCALL_TIMES,
};

struct reading {
	uint32_t way;
	uint32_t clock;
	int64_t seconds;
	int64_t nanoseconds;
} __attribute__((packed));

struct timespec64 {
	int64_t seconds;
	int64_t nanoseconds;
};

struct timespec32 {
	int32_t seconds;
	int32_t nanoseconds;
};

static long syscall3(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a" (result)
			 : "0" (number), "b" (a), "c" (b), "d" (c)
			 : "memory");
	return result;
}

static __attribute__((noreturn)) void quit(int status)
{
	for (;;)
		syscall3(NR_exit_group, status, 0, 0);
}

static void report(enum way way, uint32_t clock, int64_t seconds, int64_t nanoseconds)
{
	const struct reading reading = { way, clock, seconds, nanoseconds };

	if (syscall3(NR_write, 1, (long)&reading, sizeof(reading)) != sizeof(reading))
		quit(2);
}

static int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;

	return *a == *b;
}

/* The address of a function of the vDSO, or NULL. */
static void *vdso_symbol(const char *image, const char *name)
{
	const Elf32_Ehdr *header = (const void *)image;
	const Elf32_Shdr *section = (const void *)(image + header->e_shoff);
	size_t i, j;

	for (i = 0; i < header->e_shnum; i++) {
		const Elf32_Sym *symbol = (const void *)(image + section[i].sh_offset);
		const char *names = image + section[section[i].sh_link].sh_offset;

		if (section[i].sh_type != SHT_DYNSYM)
			continue;

		for (j = 0; j < section[i].sh_size / sizeof(*symbol); j++)
			if (symbol[j].st_value && same(names + symbol[j].st_name, name))
				return (void *)(image + symbol[j].st_value);
	}

	return NULL;
}

static const char *find_vdso(const uint32_t *stack)
{
	const uint32_t *word = stack + 1 + stack[0] + 1;

	while (*word)
		word++;

	for (word++; word[0] != AT_NULL; word += 2)
		if (word[0] == AT_SYSINFO_EHDR)
			return (const char *)word[1];

	quit(3);
}

static void check(long result)
{
	if (result)
		quit(4);
}

static void read_clock(const char *vdso, uint32_t clock)
{
	int (*gettime64)(int, void *) = vdso_symbol(vdso, "__vdso_clock_gettime64");
	int (*gettime32)(int, void *) = vdso_symbol(vdso, "__vdso_clock_gettime");
	struct timespec64 ts;
	struct timespec32 old;

	if (!gettime64 || !gettime32)
		quit(5);

	check(syscall3(NR_clock_gettime64, clock, (long)&ts, 0));
	report(SYSCALL64, clock, ts.seconds, ts.nanoseconds);
	check(gettime64(clock, &ts));
	report(VDSO64, clock, ts.seconds, ts.nanoseconds);
	check(syscall3(NR_clock_gettime, clock, (long)&old, 0));
	report(SYSCALL32, clock, old.seconds, old.nanoseconds);
	check(gettime32(clock, &old));
	report(VDSO32, clock, old.seconds, old.nanoseconds);
	check(syscall3(NR_clock_gettime64, clock, (long)&ts, 0));
	report(SYSCALL64, clock, ts.seconds, ts.nanoseconds);
}

static void read_old_ways(const char *vdso)
{
	int (*gettimeofday)(void *, void *) = vdso_symbol(vdso, "__vdso_gettimeofday");
	int32_t (*time)(void *) = vdso_symbol(vdso, "__vdso_time");
	struct timespec32 tv;

	if (!gettimeofday || !time)
		quit(5);

	check(syscall3(NR_gettimeofday, (long)&tv, 0, 0));
	report(SYSCALL_GETTIMEOFDAY, 0, tv.seconds, tv.nanoseconds * 1000LL);
	check(gettimeofday(&tv, NULL));
	report(VDSO_GETTIMEOFDAY, 0, tv.seconds, tv.nanoseconds * 1000LL);
	report(SYSCALL_TIME, 0, syscall3(NR_time, 0, 0, 0), 0);
	report(VDSO_TIME, 0, time(NULL), 0);
	report(SYSCALL_TIMES, 0, syscall3(NR_times, 0, 0, 0), 0);
}

__attribute__((used)) static void run(const uint32_t *stack)
{
	/* All that have a namespace's time: REALTIME to BOOTTIME and TAI, but for CPU time. */
	static const uint32_t clocks[] = { 0, 1, 4, 5, 6, 7, 11 };
	const char *vdso = find_vdso(stack);
	size_t i;

	for (i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++)
		read_clock(vdso, clocks[i]);

	read_old_ways(vdso);
	quit(0);
}

__asm__(".globl _start\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	mov %esp, %eax\n"
	"	and $-16, %esp\n"
	"	sub $12, %esp\n"
	"	push %eax\n"
	"	call run\n");
