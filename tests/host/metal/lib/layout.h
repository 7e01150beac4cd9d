/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where things are, for C, assembly and the linker script
 *
 * Physical and linear addresses are the same, up to 4 GiB.
 *
 *   0x00001000  the page tables of 1 GiB pages
 *   0x00090000  stack, downwards
 *   0x00200000  .bss
 *   0x01000000  free for the payloads
 *   4 GiB - 64K the image, read-only
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#define IMAGE_SIZE      0x10000
#define IMAGE_BASE      0xffff0000

#define PML4            0x1000
#define PDPT            0x2000
#define STACK_TOP       0x90000
#define BSS             0x200000
#define BSS_SIZE        0x100000
#define AREA            0x1000000

#define SEL_CODE32      0x08
#define SEL_CODE64      0x10
#define SEL_DATA        0x18

#endif
