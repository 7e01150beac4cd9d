/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DIMMs that come and go, one at a time, by ACPI's memory hot-plug (QEMU,
 * docs/specs/acpi_mem_hotplug.rst)
 */
#ifndef DIMM_H
#define DIMM_H

#include "kvm.h"

#define DIMM_SELECT     0xa00
#define DIMM_STATUS     0xa14
#define DIMM_EJECT      8

/** dimm_plug: the host adds a DIMM, at DIMM_GPA */
static inline void dimm_plug(u64 id)
{
    host("plug", NULL, id, 0, 0);
}

/** dimm_eject: the guest lets go of the one that there is, unasked */
static inline void dimm_eject(void)
{
    outl(DIMM_SELECT, 0);
    outb(DIMM_STATUS, DIMM_EJECT);
}

/** dimm_unplugged: the host sees that it is gone, and its memory with it */
static inline void dimm_unplugged(u64 id)
{
    host("unplugged", NULL, id, 0, 0);
}

#endif
