/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where things are, for C, assembly and the linker script
 *
 * Guest-physical:
 *   0x00010000  where a vCPU with SEV alone starts; not part of the launch
 *   0x00800000  SEC memory: .bss (zeroed and validated by the launch)
 *   0x00820000  CPUID page
 *   0x00821000  secrets page
 *   0x00822000  SEC memory: VMSA pages of the application processors
 *   0x00900000  GHCBs, one page a vCPU; not part of the launch
 *   0x01000000  free for the payloads; not part of the launch
 *   4 GiB - 64K the image
 *
 * Virtual:
 *   0x00000000  [0, 1 GiB) private, 2 MiB pages
 *   0x40000000  [0, 1 GiB) shared, 2 MiB pages
 *   0x80000000  the window: 4 KiB pages that payloads map as they like
 *   0xc0000000  [0, 1 GiB of the PCI hole), shared, 2 MiB pages
 *   0xffc00000  private view of 0x00800000, for .bss
 *   0xffe00000  private view of the image
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#define CBIT_POS        51
#define IMAGE_SIZE      0x10000
#define IMAGE_BASE      0xffff0000

#define SIPI_GPA        0x00010000
#define BSS_GPA         0x00800000
#define BSS_SIZE        0x00020000
#define BSS_VA          0xffc00000
#define CPUID_GPA       0x00820000
#define SECRETS_GPA     0x00821000
#define VMSA_GPA        0x00822000
#define VMSA_SIZE       0x00006000
#define GHCB_GPA        0x00900000
#define AREA_GPA        0x01000000

#define SHARED_VA       0x40000000
#define WINDOW_VA       0x80000000

#define MAX_CPUS        4
#define STACK_SIZE      0x2000

#define SEL_CODE32      0x08
#define SEL_CODE64      0x10
#define SEL_DATA        0x18
#define SEL_UDATA       0x20
#define SEL_UCODE64     0x28
#define SEL_TSS         0x30

#endif
