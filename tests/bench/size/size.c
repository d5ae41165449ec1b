// SPDX-License-Identifier: GPL-2.0
/*
 * How large structures are, as the compiler says it. What reads the object
 * file takes the size of the symbol of that name.
 */

#include <linux/hrtimer_types.h>

extern const char hrtimer[sizeof(struct hrtimer)];
const char hrtimer[sizeof(struct hrtimer)] = { 1 };
