/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this folder have of each other */
#ifndef LIB_H
#define LIB_H

#include "snp.h"

extern u64 idt[2 * TRAP_VECTORS];

/** timer_setup: what delay_us() and wait_for() count by; once, at first */
void timer_setup(void);

/** ghcb_request: ghcb_call() whose answer nobody is going to look at */
u32 ghcb_request(u64 code, u64 info1, u64 info2);

#endif
