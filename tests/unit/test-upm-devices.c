/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices that deal with memory by their own rules: what they are told
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/units.h"
#include "system/upm/compat.h"
#include "system/upm/devices.h"

static RAMBlock with_private_half = { .guest_memfd = 7, .idstr = "ram0" };
static RAMBlock without = { .guest_memfd = -1, .idstr = "vga.vram" };
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/upm-devices/allows", test_allows);
    g_test_add_func("/upm-devices/balloon", test_balloon);
    return g_test_run();
}
