/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page states and memory slots: the guest splits, deletes and merges slots by
 * the PAM registers of q35's host bridge (MCH), and its pages keep states
 * and contents
 */
#include "kvm.h"
#include "pam.h"

#define PRIVATE_GPA 0xc8000
#define SHARED_GPA  0xe0000
#define PAT1        0x11
#define PAT2        0x22

static void check_kept(const char *const *names)
{
    check_bytes(names[0], priv(PRIVATE_GPA), PAGE, PAT1);
    check_bytes(names[1], shar(SHARED_GPA), PAGE, PAT2);
    host_expect(names[2], SHARED_GPA, PAGE, PAT2);
    host_counted(names[3], 0, 0, 0);
}

static const char *const split[] = {
    T("split-private-kept"), T("split-shared-kept"),
    T("split-host-sees-shared"), T("split-nothing-converted"),
};
static const char *const merged[] = {
    T("merged-private-kept"), T("merged-shared-kept"),
    T("merged-host-sees-shared"), T("merged-nothing-converted"),
};
static const char *const deleted[] = {
    T("deleted-private-kept"), T("deleted-shared-kept"),
    T("deleted-host-sees-shared"), T("deleted-nothing-converted"),
};

void payload(void)
{
    set_all_pam(PAM_RAM);
    fill(shar(PRIVATE_GPA), PAGE, 0);
    must_map(PRIVATE_GPA, 1, TO_PRIVATE);
    fill(priv(PRIVATE_GPA), PAGE, PAT1);
    fill(shar(SHARED_GPA), PAGE, PAT2);
    host_mark();

    /* the 32 KiB between the two are other memory, of ROMs, for a while */
    set_pam(3, 0);
    check_kept(split);
    set_pam(3, PAM_RAM);
    check_kept(merged);
    /* there is other memory, or none, in the place of both for a while */
    set_pam(2, 0);
    set_pam(5, 0);
    set_pam(2, PAM_RAM);
    set_pam(5, PAM_RAM);
    check_kept(deleted);

    /* one request across what three registers rule */
    set_pam(4, 0);
    set_pam(4, PAM_RAM);
    must_map(0xc0000, 0x20, TO_PRIVATE);
    fill(priv(0xc0000), 0x20 * PAGE, PAT2);
    check_bytes(T("crossing-private"), priv(0xc0000), 0x20 * PAGE, PAT2);
    /* all of it but the page that was private */
    host_counted(T("crossing-counted"), 0, 0x1f * PAGE, 0);
    must_map(0xc0000, 0x20, TO_SHARED);
    fill(shar(0xc0000), 0x20 * PAGE, PAT1);
    host_expect(T("crossing-shared"), 0xc0000, 0x20 * PAGE, PAT1);
    host_counted(T("crossing-counted-back"), 0, 0, 0x20 * PAGE);
    /* one request for memory of two blocks; the host looks at one of them */
    set_pam(3, 0);
    check_eq(T("two-blocks-to-private"),
             map_gpa_range(0xc0000, 0x20, TO_PRIVATE), 0);
    fill(priv(0xc0000), 0x20 * PAGE, PAT2);
    check_bytes(T("two-blocks-private"), priv(0xc0000), 0x20 * PAGE, PAT2);
    check_eq(T("two-blocks-to-shared"),
             map_gpa_range(0xc0000, 0x20, TO_SHARED), 0);
    fill(shar(0xc0000), 0x20 * PAGE, PAT2);
    host_expect(T("two-blocks-shared"), 0xc0000, 0x10 * PAGE, PAT2);
    set_pam(3, PAM_RAM);
    host_expect(T("two-blocks-hidden-part-kept"), 0xd0000, 8 * PAGE, PAT1);
    check_bytes(T("two-blocks-hidden-part-seen"), shar(0xd0000), 8 * PAGE,
                PAT1);
}
