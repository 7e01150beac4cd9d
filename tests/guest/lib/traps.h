/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What traps.inc has, for C and assembly */
#ifndef TRAPS_H
#define TRAPS_H

/* Vectors that there is a stub for, and its size in bytes */
#define TRAP_VECTORS    80
#define TRAP_STUB_SIZE  16

#endif
