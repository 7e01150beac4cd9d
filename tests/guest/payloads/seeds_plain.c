/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The same for guests of an emulated host, which has no encryption. */
#define PLAIN_TEXT
#include "seeds_off.c"
