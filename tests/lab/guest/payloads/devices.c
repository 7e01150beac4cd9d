/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory slots that come and go while the guest runs: memory of a device,
 * which has no private half, its ROM, and a DIMM, which has one
 */
#include "dimm.h"

#define DEVICE      5
#define COMMAND     4
#define BAR0        0x10
#define ROM_BAR     0x30
#define MEMORY_ON   2
#define VRAM_GPA    0x30000000
#define VRAM2_GPA   0x30800000
#define ROM_GPA     0x31000000
#define PAT1        0x11
#define PAT2        0x22

static void refused(const char *const *names, u64 gpa)
{
    host_mark();
    check(names[0], map_gpa_range(gpa, 1, TO_PRIVATE) != 0);
    check(names[1], map_gpa_range(gpa, 1, TO_SHARED) != 0);
    host_counted(names[2], 0, 0, 0);
}

static const char *const vram[] = {
    T("vram-to-private-refused"), T("vram-to-shared-refused"),
    T("vram-nothing-counted"),
};
static const char *const rom[] = {
    T("rom-to-private-refused"), T("rom-to-shared-refused"),
    T("rom-nothing-counted"),
};
static const char *const gone[] = {
    T("gone-to-private-refused"), T("gone-to-shared-refused"),
    T("gone-nothing-counted"),
};

/* RAM and ROM of a device: slots without a private half */
static void device(void)
{
    pci_write32(DEVICE, BAR0, VRAM_GPA);
    pci_write32(DEVICE, ROM_BAR, ROM_GPA | 1);
    pci_write8(DEVICE, COMMAND, MEMORY_ON);
    fill(shar(VRAM_GPA), 4 * PAGE, PAT1);
    check_bytes(T("vram-is-memory"), shar(VRAM_GPA), 4 * PAGE, PAT1);
    refused(vram, VRAM_GPA);
    check_bytes(T("vram-as-before"), shar(VRAM_GPA), 4 * PAGE, PAT1);
    check_eq(T("rom-can-be-read"), *(volatile u16 *)shar(ROM_GPA), 0xaa55);
    refused(rom, ROM_GPA);

    pci_write8(DEVICE, COMMAND, 0);
    check_eq(T("nothing-where-vram-was"), *(volatile u64 *)shar(VRAM_GPA), 0);
    refused(gone, VRAM_GPA);
    pci_write32(DEVICE, BAR0, VRAM2_GPA);
    pci_write8(DEVICE, COMMAND, MEMORY_ON);
    check_bytes(T("vram-in-its-new-place"), shar(VRAM2_GPA), 4 * PAGE, PAT1);
    check_eq(T("nothing-in-its-old-place"), *(volatile u64 *)shar(VRAM_GPA), 0);
    pci_write8(DEVICE, COMMAND, 0);
}

static void unplug(u64 id)
{
    host("unplug", NULL, id, 0, 0);
    dimm_eject();
    dimm_unplugged(id);
}

/* A slot with a private half, deleted with pages that are private. */
static void dimm(void)
{
    dimm_plug(1);
    fill(shar(DIMM_GPA), 16 * PAGE, PAT1);
    check_bytes(T("dimm-begins-shared"), shar(DIMM_GPA), 16 * PAGE, PAT1);
    host_mark();
    must_map(DIMM_GPA, 8, TO_PRIVATE);
    host_counted(T("dimm-converted"), 0, 8 * PAGE, 0);
    fill(priv(DIMM_GPA), 8 * PAGE, PAT2);
    check_bytes(T("dimm-private"), priv(DIMM_GPA), 8 * PAGE, PAT2);
    check_bytes(T("dimm-rest-shared"), shar(DIMM_GPA + 8 * PAGE), 8 * PAGE,
                PAT1);
    unplug(1);
    check_eq(T("nothing-where-private-pages-were"),
             *(volatile u64 *)shar(DIMM_GPA), 0);
    check_eq(T("nothing-where-shared-pages-were"),
             *(volatile u64 *)shar(DIMM_GPA + 8 * PAGE), 0);
    check(T("deleted-slot-refused"),
          map_gpa_range(DIMM_GPA, 1, TO_PRIVATE) != 0);

    dimm_plug(2);
    host_mark();
    check_bytes(T("new-dimm-is-empty"), shar(DIMM_GPA), 16 * PAGE, 0);
    fill(shar(DIMM_GPA), 16 * PAGE, PAT1);
    check_bytes(T("new-dimm-is-shared"), shar(DIMM_GPA), 16 * PAGE, PAT1);
    host_counted(T("new-dimm-nothing-converted"), 0, 0, 0);
}

void payload(void)
{
    device();
    map_dimm();
    dimm();
}
