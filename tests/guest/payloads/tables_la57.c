/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The same with five levels; to be run on a model that has LA57. */
#define LEVELS 5
asm(".globl five_levels; .set five_levels, 1");
#include "tables.c"
