/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A million random hypercalls, against an array of states and a plain
 * reading of the ABI
 */
#include "qemu/osdep.h"
#include "upm/fake-kvm.c.inc"

static uint64_t random_64(void)
{
    return (uint64_t)g_test_rand_int() << 32 | (uint32_t)g_test_rand_int();
}

static uint64_t random_gpa(void)
{
    switch (g_test_rand_int_range(0, 8)) {
    case 0:
        return random_64();
    case 1:
        return random_64() & -K4;
    case 2:
        return -(uint64_t)g_test_rand_int_range(0, 64) * K4;
    case 3:
        return g_test_rand_int_range(0, MMIO);
    case 4:
        return MMIO - g_test_rand_int_range(0, 16) * K4;
    default:
        return g_test_rand_int_range(0, FRAMES) * K4;
    }
}

static uint64_t random_pages(void)
{
    switch (g_test_rand_int_range(0, 8)) {
    case 0:
        return random_64();
    case 1:
        return (1ULL << 52) + g_test_rand_int_range(-4, 4);
    case 2:
        return (1ULL << g_test_rand_int_range(0, 64)) -
               g_test_rand_int_range(0, 2);
    case 3:
        return g_test_rand_int_range(0, FRAMES + 8);
    default:
        return g_test_rand_int_range(0, 16);
    }
}

static uint64_t random_attributes(void)
{
    switch (g_test_rand_int_range(0, 8)) {
    case 0:
        return random_64();
    case 1:
        return 1ULL << g_test_rand_int_range(0, 64);
    case 2:
        return g_test_rand_int_range(0, 0x40);
    default:
        return g_test_rand_bit() ? ENC : 0;
    }
}

static bool is_valid(uint64_t gpa, uint64_t pages, uint64_t attributes)
{
    uint64_t size_bits = attributes & 0xf;

    return !(gpa % K4) && pages && pages <= FRAMES && gpa < MMIO &&
           gpa / K4 + pages <= FRAMES && !(attributes & ~0x1fULL) &&
           size_bits <= 2;
}

static void test_random(void)
{
    static bool private[FRAMES];
    uint64_t accepted = 0;
    unsigned int n;

    set_up();
    /* punching a million holes would be a test of the host */
    upm_block_set_discard(blocks[0], UPM_DISCARD_POLICY_NONE);
    upm_block_set_discard(blocks[1], UPM_DISCARD_POLICY_NONE);
    memset(private, 1, sizeof(private));
    for (n = 0; n < 1000000; n++) {
        uint64_t gpa = random_gpa(), pages = random_pages();
        uint64_t attributes = random_attributes();
        bool valid = is_valid(gpa, pages, attributes);

        g_assert_cmpuint(hypercall(gpa, pages, attributes), ==,
                         valid ? 0 : EINVAL);
        if (valid) {
            memset(private + gpa / K4, !!(attributes & ENC), pages);
            accepted++;
        }
        if (valid || n % 64 == 0) {
            g_assert_cmpmem(private, sizeof(private),
                            attribute_private, sizeof(private));
        }
        if (n % 4096 == 0) {
            expect_agreement();
        }
    }
    expect_agreement();
    g_assert_cmpuint(accepted, >, 100000);
    g_assert_null(stop_reason);
    tear_down();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    init_fake_kvm();

    g_test_add_func("/upm-kvm/hypercall/random", test_random);
    return g_test_run();
}
