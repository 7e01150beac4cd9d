/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RMP entries of the guest world: who may change one, and when
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/thread.h"
#include "target/i386/tcg/snp/guest/entry.h"

#define VMSA (SNP_RMP_ASSIGNED | SNP_RMP_VALIDATED | SNP_RMP_VMSA)
#define PERM(vmpl, bits) ((uint32_t)(bits) << SNP_RMP_PERM_SHIFT(vmpl))

static void test_change(void)
{
    uint32_t entry = SNP_RMP_ASSIGNED;

    g_assert_cmpint(snp_entry_change(&entry, SNP_RMP_VALIDATED,
                                     SNP_RMP_VALIDATED, 0), ==, SNP_CHANGED);
    g_assert_cmpint(snp_entry_change(&entry, SNP_RMP_VALIDATED,
                                     SNP_RMP_VALIDATED, 0), ==, SNP_UNCHANGED);
    g_assert_cmphex(entry, ==, SNP_RMP_ASSIGNED | SNP_RMP_VALIDATED);
    g_assert_cmpint(snp_entry_change(&entry, PERM(2, 0xff), PERM(2, 3),
                                     SNP_RMP_VALIDATED), ==, SNP_CHANGED);
    g_assert_cmphex(entry, ==, SNP_RMP_ASSIGNED | SNP_RMP_VALIDATED |
                    PERM(2, 3));
    /* There may be translations. */
    g_assert_cmpint(snp_entry_change(&entry, SNP_RMP_VALIDATED, 0, 0), ==,
                    SNP_CHANGED);
    g_assert_cmphex(entry, ==, SNP_RMP_ASSIGNED | SNP_RMP_STALE | PERM(2, 3));
}

/* What an instruction was let go on for may be gone when it comes to act. */
static void test_required(void)
{
    uint32_t required = SNP_RMP_VALIDATED | PERM(1, 3);
    uint32_t lacks[] = {
        SNP_RMP_ASSIGNED | PERM(1, 3),
        SNP_RMP_ASSIGNED | SNP_RMP_VALIDATED | PERM(1, 1),
        SNP_RMP_ASSIGNED | SNP_RMP_VALIDATED | PERM(2, 3),
    };
    uint32_t entry = SNP_RMP_ASSIGNED | SNP_RMP_VALIDATED | PERM(1, 7);

    g_assert_cmpint(snp_entry_change(&entry, PERM(2, 0xff), PERM(2, 3),
                                     required), ==, SNP_CHANGED);
    for (size_t i = 0; i < ARRAY_SIZE(lacks); i++) {
        entry = lacks[i];
        g_assert_cmpint(snp_entry_change(&entry, PERM(2, 0xff), PERM(2, 5),
                                         required), ==, SNP_OUTDATED);
        g_assert_cmphex(entry, ==, lacks[i]);
    }
}

static void test_in_use(void)
{
    uint32_t entry = VMSA;

    g_assert_null(snp_entry_take(&entry));
    g_assert_cmphex(entry, ==, VMSA | SNP_RMP_IN_USE);
    g_assert_nonnull(snp_entry_take(&entry));
    g_assert_cmpint(snp_entry_change(&entry, SNP_RMP_VMSA, 0, 0), ==,
                    SNP_IN_USE);
    /* Even where nothing would change, or something is missing */
    g_assert_cmpint(snp_entry_change(&entry, SNP_RMP_VMSA, SNP_RMP_VMSA,
                                     PERM(1, 1)), ==, SNP_IN_USE);
    snp_entry_release(&entry);
    g_assert_cmphex(entry, ==, VMSA);
    for (int bit = 0; bit < 4; bit++) {
        entry = VMSA & ~(1U << bit);
        g_assert_true(!snp_entry_take(&entry) == !(VMSA & 1U << bit));
    }
}

/*
 * One thread takes a right away and gives it back, another one gives it on: it
 * never does while it has it not.
 */
typedef struct Race {
    uint32_t entry;
    bool over;
    unsigned given;
} Race;

static void *take_away(void *opaque)
{
    Race *race = opaque;

    while (!qatomic_read(&race->over)) {
        qatomic_and(&race->entry, ~(PERM(1, 2) | PERM(2, 2)));
        /* Nobody else sets it, so it stays as it is for a while. */
        for (int i = 0; i < 256; i++) {
            g_assert_cmphex(qatomic_read(&race->entry) & PERM(2, 2), ==, 0);
        }
        qatomic_or(&race->entry, PERM(1, 2));
    }
    return NULL;
}

static void test_race(void)
{
    Race race = { .entry = SNP_RMP_VALIDATED };
    QemuThread thread;

    qemu_thread_create(&thread, "takes", take_away, &race,
                       QEMU_THREAD_JOINABLE);
    for (unsigned i = 0; i < 10000000 || !race.given; i++) {
        race.given += snp_entry_change(&race.entry, PERM(2, 2), PERM(2, 2),
                                       PERM(1, 2)) == SNP_CHANGED;
    }
    qatomic_set(&race.over, true);
    qemu_thread_join(&thread);
    g_assert_cmpuint(race.given, >, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/snp-entry/change", test_change);
    g_test_add_func("/snp-entry/required", test_required);
    g_test_add_func("/snp-entry/in-use", test_in_use);
    g_test_add_func("/snp-entry/race", test_race);
    return g_test_run();
}
