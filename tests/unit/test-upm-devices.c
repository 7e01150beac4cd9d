/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices that deal with memory by their own rules: what they are told
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/int128.h"
#include "qemu/units.h"
#include "system/upm/map.h"
#include "system/upm/compat.h"
#include "system/upm/devices.h"

/* The core's blocks: 8 GiB of RAM, of which 520 MiB are shared, and firmware */
static UpmBlock blocks[] = {
    { .size = 8 * GiB, .shared_frames = 520 * MiB / UPM_FRAME_SIZE },
    { .size = 4 * MiB },
};

void upm_foreach_block(void (*fn)(UpmBlock *block, void *opaque),
                       void *opaque)
{
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(blocks); i++) {
        fn(&blocks[i], opaque);
    }
}

#define PAGES(bytes) ((bytes) / UPM_FRAME_SIZE)
#define MOST         PAGES(8 * GiB + 4 * MiB)

static RAMBlock with_private_half = { .guest_memfd = 7, .idstr = "ram0" };
static RAMBlock without = { .guest_memfd = -1, .idstr = "vga.vram" };
static RAMBlock *ram_block = &with_private_half;

static bool tell(uint64_t size, uint64_t mappings, unsigned int slots,
                 unsigned int limit)
{
    g_autofree char *name = g_strdup("ram0");
    MemoryRegion mr = { .ram_block = ram_block, .name = name };
    MemoryRegionSection section = {
        .mr = &mr,
        .size = int128_make64(size),
    };

    return upm_dma_limit(&section, mappings, slots, limit);
}

static void test_allows(void)
{
    Error *err = NULL;

    g_assert_true(upm_memory_allows(&without, "virtio-mem", &error_abort));
    g_assert_false(upm_memory_allows(&with_private_half, "virtio-mem", &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "virtio-mem cannot discard private memory");
    error_free(err);
}

static void test_balloon(void)
{
    g_assert_true(upm_balloon_ignores(&with_private_half, 4 * KiB, 4 * KiB));
    g_assert_false(upm_balloon_ignores(&without, 4 * KiB, 4 * KiB));
    /* a container, or I/O */
    g_assert_false(upm_balloon_ignores(NULL, 4 * KiB, 4 * KiB));
}

static void test_message(void)
{
    g_autofree char *text = upm_dma_limit_message("ram0", 133120, 2098176,
                                                  509, 65535);

    g_assert_cmpstr(text, ==, "'ram0': an assigned device has a DMA mapping "
                    "for each shared page. 133120 pages of the guest are "
                    "shared now and at most 2098176, and the host has 65535 "
                    "mappings: vfio_iommu_type1 needs "
                    "dma_entry_limit=2098685");
}

/* Sections as a machine with 8 GiB has them, one after the other */
static void tell_of_machine(unsigned int limit)
{
    static const uint64_t sections[] = {
        640 * KiB, 128 * KiB, 2 * GiB - 1 * MiB, 4 * MiB, 6 * GiB,
    };
    unsigned int i, slots = 512;
    uint64_t mappings = 0;

    for (i = 0; i < ARRAY_SIZE(sections); i++) {
        mappings += PAGES(sections[i]);
        slots--;
        /* VFIO's own condition */
        if (mappings + slots > limit) {
            g_assert_true(tell(sections[i], mappings, slots, limit));
            fprintf(stderr, "section %u\n", i);
        }
    }
}

/* Said once, with the numbers of all of the guest */
static void test_limit(void)
{
    if (g_test_subprocess()) {
        tell_of_machine(65535);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("*warning: 'ram0': * 133120 pages of the guest "
                              "are shared now and at most 2098176, *65535 "
                              "mappings: *dma_entry_limit=2098685\n"
                              "*iommufd*section 2\nsection 3\nsection 4\n*");
    g_test_trap_assert_stderr_unmatched("*warning*warning*");
}

/* By the last section and by one mapping, and not by less */
static void test_limit_passed_late(void)
{
    if (g_test_subprocess()) {
        tell_of_machine(PAGES(8 * GiB + 3 * MiB + 768 * KiB) + 506);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("*warning: *section 4\n*");
}

static void test_limit_kept(void)
{
    if (g_test_subprocess()) {
        tell_of_machine(PAGES(8 * GiB + 3 * MiB + 768 * KiB) + 507);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr_unmatched("*section*");
}

/* VFIO's own words are for other memory. */
static void test_limit_of_others(void)
{
    ram_block = &without;
    g_assert_false(tell(1 * GiB, PAGES(1 * GiB), 512, 65535));
    ram_block = NULL;
    g_assert_false(tell(1 * GiB, PAGES(1 * GiB), 512, 65535));
    ram_block = &with_private_half;
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpuint(MOST, ==, 2098176);
    g_test_add_func("/upm-devices/allows", test_allows);
    g_test_add_func("/upm-devices/balloon", test_balloon);
    g_test_add_func("/upm-devices/message", test_message);
    g_test_add_func("/upm-devices/limit", test_limit);
    g_test_add_func("/upm-devices/limit-passed-late", test_limit_passed_late);
    g_test_add_func("/upm-devices/limit-kept", test_limit_kept);
    g_test_add_func("/upm-devices/limit-of-others", test_limit_of_others);
    return g_test_run();
}
