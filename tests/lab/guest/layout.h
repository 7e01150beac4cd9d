/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where things are, for C, assembly and the linker script
 *
 * Guest-physical, all of it shared at the start:
 *   0x00008000  code that application processors start with
 *   0x00100000  .bss
 *   0x01000000  free for the payloads
 *   0x02000000  a range of RUNS_SIZE, where there is so much RAM (runs.h)
 *   0x20000000  nothing
 *   4 GiB - 64K the image
 *   4 GiB       a DIMM, if there is one
 *
 * Virtual: [0, 4 GiB) as guest-physical; from PRIVATE_VA on [0, 1 GiB) with
 * the encryption bit, where there is one.  map_dimm() adds the DIMM to both.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#define IMAGE_SIZE      0x10000
#define IMAGE_BASE      0xffff0000
#define START_GPA       0x8000
#define BSS_GPA         0x100000
#define AREA_GPA        0x1000000
#define HOLE_GPA        0x20000000
#define DIMM_GPA        0x100000000
#define DIMM_SIZE       0x8000000
#define PRIVATE_VA      0x8000000000

#define MAX_CPUS        4
#define STACK_SIZE      0x2000

#define SEL_CODE32      0x08
#define SEL_CODE64      0x10
#define SEL_DATA        0x18

#endif
