/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's hypercalls of emulated SEV and SEV-ES guests
 *
 * Gives registers to who takes them apart, and looks at RAX and at the
 * conversions that are asked for.
 */
#include "qemu/osdep.h"
#include "target/i386/tcg/snp/guest/hypercall.h"

#define MAP_GPA     12
#define ENCRYPTED   (1 << 4)
#define BITS_32     0xffffffffULL

#define EPERM_ANSWER    ((uint64_t)-1)
#define EAGAIN_ANSWER   ((uint64_t)-11)
#define EINVAL_ANSWER   ((uint64_t)-22)
#define ENOSYS_ANSWER   ((uint64_t)-1000)

typedef struct Door {
    unsigned calls;
    uint64_t gpa;
    uint64_t size;
    bool to_private;
    int result;
} Door;

static int convert(void *opaque, uint64_t gpa, uint64_t size, bool to_private)
{
    Door *door = opaque;

    door->calls++;
    door->gpa = gpa;
    door->size = size;
    door->to_private = to_private;
    return door->result;
}

static SnpHypercall map_gpa(uint64_t gpa, uint64_t pages, uint64_t attributes)
{
    return (SnpHypercall) {
        .nr = MAP_GPA, .args = { gpa, pages, attributes }, .wide = true,
    };
}

static void assert_refused(SnpHypercall call, uint64_t answer)
{
    Door door = { };

    g_assert_cmphex(snp_hypercall_answer(&call, convert, &door), ==, answer);
    g_assert_cmpuint(door.calls, ==, 0);
}

static void assert_converts(SnpHypercall call, uint64_t gpa, uint64_t size,
                            bool to_private)
{
    Door door = { };

    g_assert_cmphex(snp_hypercall_answer(&call, convert, &door), ==, 0);
    g_assert_cmpuint(door.calls, ==, 1);
    g_assert_cmphex(door.gpa, ==, gpa);
    g_assert_cmphex(door.size, ==, size);
    g_assert_cmpint(door.to_private, ==, to_private);
}

static void test_converts(void)
{
    assert_converts(map_gpa(0x1000, 1, ENCRYPTED), 0x1000, 0x1000, true);
    assert_converts(map_gpa(0, 1, 0), 0, 0x1000, false);
    assert_converts(map_gpa(0x5000, 3, 1), 0x5000, 0x3000, false);
    assert_converts(map_gpa(0x5000, 512, ENCRYPTED | 2), 0x5000, 0x200000,
                    true);
    /* Linux tells all of its memory at once. */
    assert_converts(map_gpa(0x100000000, 1ULL << 38, ENCRYPTED), 0x100000000,
                    1ULL << 50, true);
    /* The last frame that there can be */
    assert_converts(map_gpa(-0x1000ULL, 1, 0), -0x1000ULL, 0x1000, false);
}

static void test_bad_ranges(void)
{
    assert_refused(map_gpa(0x1001, 1, 0), EINVAL_ANSWER);
    assert_refused(map_gpa(0x1800, 1, 0), EINVAL_ANSWER);
    assert_refused(map_gpa(0x1000, 0, 0), EINVAL_ANSWER);
    assert_refused(map_gpa(-0x1000ULL, 2, 0), EINVAL_ANSWER);
    assert_refused(map_gpa(0x1000, 1ULL << 52, 0), EINVAL_ANSWER);
    assert_refused(map_gpa(0x2000, (1ULL << 52) - 1, 0), EINVAL_ANSWER);
    assert_refused(map_gpa(0x1000, UINT64_MAX, 0), EINVAL_ANSWER);
}

static void test_bad_attributes(void)
{
    for (unsigned size = 3; size < 16; size++) {
        assert_refused(map_gpa(0x1000, 1, size), EINVAL_ANSWER);
    }
    for (unsigned bit = 5; bit < 64; bit++) {
        assert_refused(map_gpa(0x1000, 1, 1ULL << bit), EINVAL_ANSWER);
    }
}

static void test_numbers(void)
{
    SnpHypercall call = map_gpa(0x1000, 1, 0);

    for (call.nr = 0; call.nr < 64; call.nr++) {
        if (call.nr != MAP_GPA) {
            assert_refused(call, call.nr == 1 ? 0 : ENOSYS_ANSWER);
        }
    }
    call.nr = 1ULL << 32 | MAP_GPA;
    assert_refused(call, ENOSYS_ANSWER);
}

static void test_user(void)
{
    SnpHypercall call = map_gpa(0x1000, 1, 0);

    call.user = true;
    assert_refused(call, EPERM_ANSWER);
    call.nr = 999;
    assert_refused(call, EPERM_ANSWER);
    call.wide = false;
    assert_refused(call, EPERM_ANSWER & BITS_32);
}

/* What the upper halves hold does not count, and none is answered. */
static void test_narrow(void)
{
    SnpHypercall call = {
        .nr = 0x123400000000ULL | MAP_GPA,
        .args = { 0xff00001000ULL, 1ULL << 40 | 2, 1ULL << 63 | ENCRYPTED },
    };

    assert_converts(call, 0x1000, 0x2000, true);
    call.args[0] |= 1;
    assert_refused(call, EINVAL_ANSWER & BITS_32);
    call.nr = 77;
    assert_refused(call, ENOSYS_ANSWER & BITS_32);
}

static void test_failures(void)
{
    static const struct {
        int result;
        uint64_t answer;
    } cases[] = {
        { -EINVAL, EINVAL_ANSWER }, { -EIO, EINVAL_ANSWER },
        { -EBUSY, EINVAL_ANSWER }, { -EAGAIN, EAGAIN_ANSWER },
        { -ENOMEM, EAGAIN_ANSWER }, { -EINTR, EAGAIN_ANSWER },
    };
    SnpHypercall call = map_gpa(0x1000, 1, 0);

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        Door door = { .result = cases[i].result };

        g_assert_cmphex(snp_hypercall_answer(&call, convert, &door), ==,
                        cases[i].answer);
        g_assert_cmpuint(door.calls, ==, 1);
    }
}

/* A value by chance, most of them near to what is valid */
static uint64_t some(uint64_t good)
{
    switch (g_test_rand_int_range(0, 8)) {
    case 0:
        return (uint64_t)g_test_rand_int() << 32 | (uint32_t)g_test_rand_int();
    case 1:
        return good ^ 1ULL << g_test_rand_int_range(0, 64);
    case 2:
        return -good;
    case 3:
        return g_test_rand_int_range(0, 4);
    default:
        return good;
    }
}

static SnpHypercall by_chance(void)
{
    uint64_t gpa = (uint64_t)(uint32_t)g_test_rand_int() << 12;
    uint64_t pages = g_test_rand_int_range(1, 4096);
    uint64_t attributes = g_test_rand_int_range(0, 3) |
        (g_test_rand_int_range(0, 2) ? ENCRYPTED : 0);

    return (SnpHypercall) {
        .nr = some(MAP_GPA),
        .args = { some(gpa), some(pages), some(attributes) },
        .wide = g_test_rand_int_range(0, 2),
        .user = !g_test_rand_int_range(0, 8),
    };
}

/* The ABI, read plainly: in frames, where nothing can wrap unseen */
static uint64_t expected(const SnpHypercall *call, Door *door)
{
    uint64_t mask = call->wide ? UINT64_MAX : BITS_32;
    uint64_t gpa = call->args[0] & mask, pages = call->args[1] & mask;
    uint64_t attributes = call->args[2] & mask;

    if (call->user) {
        return EPERM_ANSWER & mask;
    }
    if ((call->nr & mask) != MAP_GPA) {
        return (call->nr & mask) == 1 ? 0 : ENOSYS_ANSWER & mask;
    }
    if (gpa & 0xfff || !pages || pages > (1ULL << 52) - (gpa >> 12) ||
        pages == 1ULL << 52 || attributes >> 5 || (attributes & 0xf) > 2) {
        return EINVAL_ANSWER & mask;
    }
    *door = (Door) {
        .calls = 1, .gpa = gpa, .size = pages << 12,
        .to_private = attributes & ENCRYPTED,
    };
    return 0;
}

static void test_chance(void)
{
    unsigned converted = 0;

    for (unsigned i = 0; i < 1000000; i++) {
        SnpHypercall call = by_chance();
        Door door = { }, wanted = { };
        uint64_t answer = expected(&call, &wanted);

        g_assert_cmphex(snp_hypercall_answer(&call, convert, &door), ==,
                        answer);
        g_assert_cmpuint(door.calls, ==, wanted.calls);
        g_assert_cmphex(door.gpa, ==, wanted.gpa);
        g_assert_cmphex(door.size, ==, wanted.size);
        g_assert_cmpint(door.to_private, ==, wanted.to_private);
        converted += door.calls;
    }
    /* Neither all nor none */
    g_assert_cmpuint(converted, >, 50000);
    g_assert_cmpuint(converted, <, 950000);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/snp-hypercall/converts", test_converts);
    g_test_add_func("/snp-hypercall/bad-ranges", test_bad_ranges);
    g_test_add_func("/snp-hypercall/bad-attributes", test_bad_attributes);
    g_test_add_func("/snp-hypercall/numbers", test_numbers);
    g_test_add_func("/snp-hypercall/user", test_user);
    g_test_add_func("/snp-hypercall/narrow", test_narrow);
    g_test_add_func("/snp-hypercall/failures", test_failures);
    g_test_add_func("/snp-hypercall/chance", test_chance);
    return g_test_run();
}
