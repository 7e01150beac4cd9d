/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A request that changes while it is served: the other vCPU scribbles over
 * the GHCB; two vCPUs
 *
 * Only fields whose every value is harmless are changed; what is served does
 * not matter, but that it was checked and used as one and the same thing.
 */
#include "snp.h"

#define ROUNDS 3000
/* the other vCPU is waited for where it does less than one in so many */
#define ROUNDS_A_SCRIBBLE 10
/* a minute or more, in ticks of the time stamp counter */
#define PATIENCE (1ULL << 38)

static volatile u64 scribbling, stopped, scribbles;

static void scribble(volatile u8 *page, u64 gpa)
{
    u64 r = chance();

    *(volatile u64 *)(page + GHCB_SCRATCH) = gpa + 0x7f0 + (r & 0x81f);
    *(volatile u64 *)(page + GHCB_INFO2) = r >> 60;
    *(volatile u64 *)(page + GHCB_BUFFER) = r >> 16 & 0x1ff00ff;
    for (unsigned i = 1; i < 4; i++) {
        *(volatile u64 *)(page + GHCB_BUFFER + 8 * i) =
            AREA_GPA | (r & 0xff000) | (r & 3) << 52 | (r & 0x100) << 48 |
            (r & 0x3ff);
    }
    page[GHCB_VALID + (r >> 32) % 16] ^= 1 << (r >> 40 & 7);
    *(volatile u16 *)(page + GHCB_VERSION) = r & 3;
}

void ap_main(unsigned index)
{
    (void)index;
    for (;;) {
        if (scribbling) {
            scribble(shar(GHCB_GPA), GHCB_GPA);
            scribbles++;
        } else {
            stopped = 1;
        }
        pause();
    }
}

/* No timer is looked at: its port is read through what gets scribbled on. */
static bool comes_to(const volatile u64 *p, u64 least)
{
    u64 start = rdtsc();

    while (*p < least) {
        if (rdtsc() - start > PATIENCE) {
            return false;
        }
        pause();
    }
    return true;
}

static void scribbled_requests(u64 code, u64 info1)
{
    u64 before = scribbles;

    stopped = 0;
    scribbling = 1;
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (!comes_to(&scribbles, before + i / ROUNDS_A_SCRIBBLE + 1)) {
            scribbling = 0;
            fatal("the other vCPU does not go on", scribbles);
        }
        ghcb_clear();
        ghcb_set(GHCB_SCRATCH, GHCB_GPA + GHCB_BUFFER);
        ghcb_call(code, info1, 8);
    }
    scribbling = 0;
    if (!comes_to(&stopped, 1)) {
        fatal("the other vCPU does not stop", scribbles);
    }
}

void payload(void)
{
    u64 gpa = AREA_GPA + 16 * PAGE_2M;

    ap_start(1);
    scribbled_requests(NAE_PSC, 0);
    check(T("page-state-changes"), true);
    scribbled_requests(NAE_MMIO_READ, 0xfed00000);
    check(T("mmio-reads"), true);
    check(T("scribbles"), scribbles >= 2 * (ROUNDS / ROUNDS_A_SCRIBBLE));
    validate(priv(gpa), PAGE);
    to_shared(gpa, PAGE);
    to_private(gpa, PAGE);
    check(T("still-served"), (mmio_read(0xfed00000, 8) >> 16 & 0xffff) ==
          0x8086);
}
