/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The same above 4 GiB; to be run with max-ram-below-4g=32M. */
#define SEED_BASE 0x100000000
#include "seeds.c"
