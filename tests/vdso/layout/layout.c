// SPDX-License-Identifier: GPL-2.0
/*
 * Where things are in the vDSO's data pages, as the compiler says it. The
 * tests read these constants from the object file.
 */

#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <linux/types.h>
#include <asm/alternative.h>
#include <asm/cpufeatures.h>
#include <asm/vdso/vsyscall.h>
#include <vdso/clocksource.h>
#include <vdso/datapage.h>

#define VALUE(name, value)						\
	extern const u64 layout_##name;					\
	const u64 layout_##name = (value)

/* Offset and size of a member */
#define FIELD(name, type, member)					\
	extern const u64 layout_##name[2];				\
	const u64 layout_##name[2] = {					\
		offsetof(struct type, member),				\
		sizeof_field(struct type, member)			\
	}

/* Offset of the first element of an array, and size of each */
#define ARRAY(name, type, member)					\
	extern const u64 layout_##name[2];				\
	const u64 layout_##name[2] = {					\
		offsetof(struct type, member),				\
		sizeof(((struct type *)0)->member[0])			\
	}

VALUE(page_size, PAGE_SIZE);
VALUE(data_pages, __VDSO_PAGES);
VALUE(time_page, VDSO_TIME_PAGE_OFFSET);
VALUE(timens_page, VDSO_TIMENS_PAGE_OFFSET);

VALUE(bases, VDSO_BASES);
VALUE(cs_hres_coarse, CS_HRES_COARSE);
VALUE(cs_raw, CS_RAW);
VALUE(mode_none, VDSO_CLOCKMODE_NONE);
VALUE(mode_tsc, VDSO_CLOCKMODE_TSC);
VALUE(mode_timens, VDSO_CLOCKMODE_TIMENS);

ARRAY(clock_data, vdso_time_data, clock_data);
FIELD(tz_minuteswest, vdso_time_data, tz_minuteswest);
FIELD(tz_dsttime, vdso_time_data, tz_dsttime);
FIELD(host_sleep, vdso_time_data, host_sleep);
FIELD(timens_clock, vdso_time_data, timens_clock);

FIELD(seq, vdso_clock, seq);
FIELD(clock_mode, vdso_clock, clock_mode);
FIELD(cycle_last, vdso_clock, cycle_last);
FIELD(max_cycles, vdso_clock, max_cycles);
FIELD(mask, vdso_clock, mask);
FIELD(mult, vdso_clock, mult);
FIELD(shift, vdso_clock, shift);
ARRAY(basetime, vdso_clock, basetime);
FIELD(base_sec, vdso_timestamp, sec);
FIELD(base_nsec, vdso_timestamp, nsec);
ARRAY(offset, vdso_clock, offset);
FIELD(offset_sec, timens_offset, sec);
FIELD(offset_nsec, timens_offset, nsec);

FIELD(own_seq, vdso_timens_clock, seq);
ARRAY(segment, vdso_timens_clock, segment);
FIELD(segment_ref, vdso_timens_segment, ref);
FIELD(segment_mono, vdso_timens_segment, mono);
FIELD(segment_raw, vdso_timens_segment, raw);
ARRAY(segment_offset, vdso_timens_segment, offset);
FIELD(line_lo, vdso_timens_line, lo);
FIELD(line_hi, vdso_timens_line, hi);
FIELD(line_rate, vdso_timens_line, rate);
FIELD(line_reciprocal, vdso_timens_line, reciprocal);

/*
 * Instructions that the kernel replaces when it boots, as the processor has
 * it. The upper half of the features are flags.
 */
VALUE(alternative_size, sizeof(struct alt_instr));
FIELD(alternative_at, alt_instr, instr_offset);
FIELD(alternative_with, alt_instr, repl_offset);
FIELD(alternative_feature, alt_instr, ft_flags);
FIELD(alternative_length, alt_instr, instrlen);
FIELD(alternative_with_length, alt_instr, replacementlen);
VALUE(feature_rdtscp, X86_FEATURE_RDTSCP);
