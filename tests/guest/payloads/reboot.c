/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that is reset in three ways, and finds nothing of its earlier lives;
 * two vCPUs, both of which convert memory when it comes to that
 *
 * The machine's CMOS memory alone stays, and says which life it is.
 */
#include "lives.h"

#define KEY_SIZE        4
/* Of the secrets page, SNP firmware ABI (56860) 8.17.2.5 */
#define VMPCK0          0x20

#define KEPT            AREA_GPA
#define SHARED          (AREA_GPA + PAGE)
#define HIDDEN          (AREA_GPA + 2 * PAGE)
#define BUSY            (AREA_GPA + PAGE_2M)
#define PRIVATE_BYTE    0x5e
#define SHARED_BYTE     0x5a

static volatile u64 started, conversions, leave_it;

/* Both vCPUs do so, each with a page of its own. */
static void convert_once(unsigned index)
{
    to_shared(BUSY + index * PAGE, PAGE);
    to_private(BUSY + index * PAGE, PAGE);
}

void ap_main(unsigned index)
{
    validate(priv(BUSY + index * PAGE), PAGE);
    started = 1;
    for (;;) {
        convert_once(index);
        conversions++;
    }
}

static void read_byte(void *va)
{
    *(volatile u8 *)va;
}

static void store_key(void)
{
    for (unsigned i = 0; i < KEY_SIZE; i++) {
        set_cmos(CMOS_KEY + i, *((u8 *)priv(SECRETS_GPA) + VMPCK0 + i));
    }
}

static bool is_stored_key(void)
{
    bool same = true;

    for (unsigned i = 0; i < KEY_SIZE; i++) {
        same &= cmos(CMOS_KEY + i) ==
                *((u8 *)priv(SECRETS_GPA) + VMPCK0 + i);
    }
    return same;
}

static void leave_content(void)
{
    to_private(KEPT, PAGE);
    fill(priv(KEPT), PAGE, PRIVATE_BYTE);
    to_shared(SHARED, PAGE);
    fill(shar(SHARED), PAGE, SHARED_BYTE);
    to_private(HIDDEN, PAGE);
    fill(priv(HIDDEN), PAGE, PRIVATE_BYTE);
    to_shared(HIDDEN, PAGE);
    store_key();
}

/* What the last life has left, it has left there. */
static void check_new_life(void)
{
    check_trap(S("not-validated"), try_fn(read_byte, priv(KEPT)), VC,
               NPF_NOT_VALIDATED);
    check_trap(S("private-again"), try_fn(read_byte, priv(SHARED)), VC,
               NPF_NOT_VALIDATED);
    check_eq(S("validated-anew"), pvalidate(priv(KEPT), 0, 1).cf |
             pvalidate(priv(SHARED), 0, 1).cf |
             pvalidate(priv(HIDDEN), 0, 1).cf, 0);
    check_bytes(S("private-content-is-gone"), priv(KEPT), PAGE, 0);
    check_bytes(S("hidden-content-is-gone"), priv(HIDDEN), PAGE, 0);
    check_bytes(S("shared-content-is-not-seen"), priv(SHARED), PAGE, 0);
    check(S("key-is-new"), !is_stored_key());
    check_eq(S("ghcb-msr-is-reset"), first_ghcb_msr & 0xfff, 1);
    check_eq(S("launched-data-is-as-at-first"), leave_it, 0);
    for (unsigned i = 0; i < 3; i++) {
        pvalidate(priv(KEPT + i * PAGE), 0, 0);
    }
}

static const char *const prefixes[] = {
    "", A("port-cf9"), A("shutdown"), A("keyboard-controller"),
};

void payload(void)
{
    u8 life = cmos(CMOS_LIFE);

    if (life >= ARRAY_SIZE(prefixes)) {
        fatal("lives", life);
    }
    if (life) {
        set_prefix(prefixes[life]);
        check_new_life();
        ap_start(1);
        check(S("other-vcpu-runs"), wait_for(&started, 1));
        set_prefix(NULL);
    } else {
        ap_start(1);
        check(T("other-vcpu-runs"), wait_for(&started, 1));
    }
    if (life == ARRAY_SIZE(prefixes) - 1) {
        return;
    }
    leave_it = 1;
    leave_content();
    set_cmos(CMOS_LIFE, life + 1);
    validate(priv(BUSY), PAGE);
    check(life ? "converts" : T("converts"), wait_for_more(&conversions, 9));
    reset(life, BUSY + 16 * PAGE);
    for (;;) {
        convert_once(0);
    }
}
