/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that uses its pages through both views in turn, a hundred thousand
 * times and then while another vCPU does the same: an area and, where nothing
 * gets lost by it, what keeps itself running; with hypercalls by chance in
 * between.  Two vCPUs
 */
#include "snp.h"

#define ALONE       100000
/* Each of these waits for the other vCPU. */
#define TOGETHER    1000
#define PAGES       32
#define WHERE       16
#define MARK        0x5eed5eed5eed5eed

static volatile u64 others;
static volatile u64 kept[PAGE / 8] __attribute__((aligned(4096)));
static volatile u64 sink;

static void flip(u64 r)
{
    u64 gpa = AREA_GPA + (r % PAGES) * PAGE + (r >> 8) % 512 * 8;
    volatile u64 *p = r >> 17 & 1 ? priv(gpa) : shar(gpa);

    if (r >> 18 & 1) {
        *p = r;
    } else {
        sink = *p;
    }
}

/* Each vCPU its own numbers: chance() has one state. */
static u64 next(u64 *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

void ap_main(unsigned index)
{
    u64 state = 0x9e3779b97f4a7c15 + index;

    for (;;) {
        flip(next(&state));
        others++;
    }
}

static void read(void *va)
{
    sink = *(volatile u64 *)va;
}

/*
 * Variables and the stack without the key, and the GHCB with it.  Not code nor
 * page tables: an instruction that needs a page through both views would never
 * come to its end.
 */
static void look_at_own(u64 r)
{
    switch (r % 3) {
    case 0:
        read(map_page(WHERE, gpa_of(kept), false));
        break;
    case 1:
        read(map_page(WHERE, gpa_of(stacks[0]), false));
        break;
    default:
        read(priv(GHCB_GPA));
    }
}

/* Is what was written with the key there again after a look without? */
static bool comes_back(void)
{
    u64 gpa = AREA_GPA + PAGES * PAGE;

    *(volatile u64 *)priv(gpa) = MARK;
    read(shar(gpa));
    return *(volatile u64 *)priv(gpa) == MARK;
}

static void call_by_chance(u64 r)
{
    static const u64 places[] = {
        AREA_GPA, 0, 0xfed00000, 0xffff0000, 0x3fff000, 0x100000000,
        1ULL << 51, 1ULL << 52, -PAGE, 0xa0000,
    };
    u64 gpa = places[r % ARRAY_SIZE(places)] + (r >> 8 & 0xf) * PAGE;
    u64 pages = r >> 16 & 1 ? r >> 20 & 0x3f : 1ULL << (r >> 20 & 0x3f);
    u64 attributes = r >> 48 & 0x3f;

    /* Who shares what he runs on has lost it where memory is private. */
    if (r % ARRAY_SIZE(places)) {
        attributes |= MAP_PRIVATE;
    }
    hypercall(r >> 30 & 7 ? HC_MAP_GPA : r >> 32, gpa + (r >> 40 & 1), pages,
              attributes);
}

static void rounds(bool in_place, unsigned count)
{
    static u64 state = 0x123456789abcdef1;

    for (unsigned i = 0; i < count; i++) {
        u64 r = next(&state);

        flip(r);
        if (in_place && !(i % 64)) {
            look_at_own(r >> 20);
        }
        if (!(i % 256)) {
            call_by_chance(next(&state));
        }
    }
}

void payload(void)
{
    bool in_place = comes_back();

    print(in_place ? "# in place\n" : "# two halves\n");
    kept[1] = MARK;
    rounds(in_place, ALONE);
    check_eq(T("own-memory-is-there"), kept[1], MARK);
    ap_signal(1);
    check(T("other-vcpu-runs"), wait_for_more(&others, 0));
    rounds(in_place, TOGETHER);
    check_eq(T("own-memory-is-there-still"), kept[1], MARK);
    check(T("other-vcpu-still-runs"), wait_for_more(&others, others));
    fill(priv(AREA_GPA + PAGES * PAGE), PAGE, 0x42);
    check_bytes(T("memory-works"), priv(AREA_GPA + PAGES * PAGE), PAGE, 0x42);
}
