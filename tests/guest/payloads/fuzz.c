/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nonsense from a guest: requests, operands and page tables by chance
 *
 * Whatever is asked for, the guest gets an answer or an exception, and the
 * machine goes on.  Left out is only what is meant to stop it, and what KVM
 * ends a guest for where this host does so, too.
 */
#include "snp.h"

#define ROUNDS      1500
#define AREA_SIZE   (4 * PAGE_2M)
#define SECRET      0x5a

static bool goes_on;

static u64 some_memory(void)
{
    return AREA_GPA + below(AREA_SIZE / PAGE) * PAGE;
}

/* Places that are no part of what keeps this payload running */
static u64 some_gpa(void)
{
    static const u64 places[] = {
        0xfed00000, 0x80000000, 0x4000000, 0xfffff000000, 0x7fffffffff000,
        0xffffffffff000, 0x8000000000, 0xd0000, 0x100000000, 0xfec00000,
        0xfee00000, 0xffe00000, 0x3fff000,
    };

    if (below(4)) {
        return some_memory();
    }
    return places[below(ARRAY_SIZE(places))] + below(3) * PAGE;
}

/* ... and to be used as private memory */
static u64 some_private_gpa(void)
{
    return goes_on ? some_gpa() : some_memory();
}

static u64 some_number(void)
{
    switch (below(6)) {
    case 0:
        return below(16);
    case 1:
        return 1ULL << below(64);
    case 2:
        return -1ULL << below(64);
    case 3:
        return some_gpa() + below(2) * below(PAGE);
    case 4:
        return this_cpu()->ghcb_gpa + GHCB_BUFFER + below(0x800);
    default:
        return chance();
    }
}

static void call(void *info)
{
    const u64 *event = info;

    ghcb_call(event[0], event[1], event[2]);
}

/* An event that would be the guest's end becomes one that is not. */
static void spare(u64 *event)
{
    if (goes_on) {
        return;
    }
    switch (event[0]) {
    case NAE_RDTSC:
        event[0] = NAE_RDTSCP;
        break;
    case NAE_GUEST_REQ:
    case NAE_EXT_REQ:
        event[1] = some_memory() + below(2) * below(PAGE);
        event[2] = some_memory();
        ghcb_poke(GHCB_RAX, some_memory() + below(2) * below(PAGE));
        break;
    }
}

static void one_event(void)
{
    static const u64 codes[] = {
        NAE_READ_DR7, NAE_WRITE_DR7, NAE_RDTSC, NAE_RDPMC, NAE_CPUID,
        NAE_INVD, NAE_VMMCALL, NAE_RDTSCP, NAE_WBINVD, NAE_MONITOR,
        NAE_MWAIT, NAE_NMI_DONE, NAE_JUMP_TABLE, NAE_PSC, NAE_GUEST_REQ,
        NAE_EXT_REQ, NAE_FEATURES, NPF_MMIO, 0x80000014, 0x80000018,
    };
    static const unsigned fields[] = {
        GHCB_RAX, GHCB_RCX, GHCB_RDX, GHCB_RBX, GHCB_RSI, GHCB_SCRATCH,
        GHCB_XCR0, GHCB_CPL, GHCB_XSS,
    };
    u64 code = below(20) ? codes[below(ARRAY_SIZE(codes))] : chance() | 1 << 9;
    u64 event[3];

    ghcb_clear();
    for (unsigned i = 0; i < ARRAY_SIZE(fields); i++) {
        if (below(4)) {
            ghcb_set(fields[i], some_number());
        }
    }
    for (unsigned i = below(64); i; i--) {
        ghcb_poke(GHCB_BUFFER + below(254) * 8, some_number());
    }
    if (!below(50)) {
        *(volatile u16 *)(ghcb() + GHCB_VERSION) = chance();
    }
    /* PSC of the places that keep this running is not for here. */
    if (code == NAE_PSC) {
        code = NAE_CPUID;
    }
    event[0] = code;
    event[1] = some_number();
    event[2] = some_number();
    spare(event);
    try_fn(call, event);
}

static void one_page_state_change(void)
{
    static u64 entries[253];
    unsigned n = 1 + below(253);

    for (unsigned i = 0; i < n; i++) {
        entries[i] = some_gpa() | below(16) << 52 |
                     (below(8) ? 0 : PSC_2M) | (below(16) ? 0 : below(600));
    }
    psc(entries, n);
    psc_msr(some_gpa(), below(16));
}

/* Reads only: what may be written depends on the device. */
static void one_io(void)
{
    static const u64 devices[] = {
        0xfed00000, 0xfec00000, 0xfee00000, 0xd0000000, 0x8000000000,
        AREA_GPA,
    };

    ghcb_clear();
    ghcb_set(GHCB_SCRATCH, below(3) ? this_cpu()->ghcb_gpa + GHCB_BUFFER :
             some_number());
    ghcb_call(NAE_MMIO_READ, devices[below(ARRAY_SIZE(devices))] +
              below(0x1000), below(4) ? 1ULL << below(4) : some_number());
    ghcb_clear();
    ghcb_set(GHCB_SCRATCH, below(3) ? this_cpu()->ghcb_gpa + GHCB_BUFFER :
             some_number());
    ghcb_set(GHCB_RAX, chance());
    ghcb_call(NAE_IOIO, 0x511 << 16 | 1 | below(0x1000),
              goes_on ? some_number() : some_number() % (1 << 24));
}

static void one_msr(void)
{
    static const u32 msrs[] = {
        0x10, 0x1b, 0xfe, 0x200, 0x2ff, 0x179, 0x400, 0x480, 0x800, 0x830,
        0xc0000080, 0xc0000100, 0xc0010010, 0xc0010015, 0xc0010117,
        MSR_GHCB, MSR_SEV_STATUS, 0xc0011029,
    };

    ghcb_clear();
    ghcb_set(GHCB_RCX, below(8) ? msrs[below(ARRAY_SIZE(msrs))] : chance());
    ghcb_call(NAE_MSR, 0, 0);
}

static void one_msr_request(void)
{
    static const u16 codes[] = {
        0x000, 0x002, 0x004, 0x010, 0x016, 0x018, 0x080, 0x0fe, 0x200, 0xfff,
    };

    u64 gpa = some_gpa();

    vmgexit((chance() & ~0xfffULL) | codes[below(ARRAY_SIZE(codes))]);
    vmgexit(gpa | 0x12);
    vmgexit(goes_on ? some_gpa() : gpa);
    vmgexit(this_cpu()->ghcb_gpa | 0x12);
}

struct operands {
    u64 rax, rcx, rdx;
};

static void some_pvalidate(void *arg)
{
    struct operands *o = arg;

    pvalidate((void *)o->rax, o->rcx, o->rdx);
}

static void some_rmpadjust(void *arg)
{
    struct operands *o = arg;

    rmpadjust((void *)o->rax, o->rcx, o->rdx);
}

static void some_rmpquery(void *arg)
{
    struct operands *o = arg;

    rmpquery((void *)o->rax, o->rdx);
}

static u64 some_address(void)
{
    switch (below(5)) {
    case 0:
        return SHARED_VA + AREA_GPA + below(AREA_SIZE);
    case 1:
        return WINDOW_VA + (32 + below(32)) * PAGE + below(PAGE);
    case 2:
        return 1ULL << 46 | below(1 << 20);
    case 3:
        return 0x8000000000000000 | chance() >> 8;
    default:
        return AREA_GPA + below(AREA_SIZE);
    }
}

static void one_instruction(void)
{
    static void (*const instructions[])(void *) = {
        some_pvalidate, some_pvalidate, some_rmpadjust, some_rmpquery,
    };
    struct operands o = {
        .rax = some_address(), .rcx = below(3), .rdx = below(3),
    };

    if (!below(4)) {
        o.rcx = some_number();
        o.rdx = some_number();
    }
    try_fn(instructions[below(4)], &o);
}

static void read_quad(void *va)
{
    *(volatile u64 *)va;
}

static void write_quad(void *va)
{
    *(volatile u64 *)va = 0x3333333333333333;
}


static void one_access(void)
{
    void *va;

    if (below(2)) {
        map_entry(32 + below(32), (below(2) ? some_gpa() & ~CBIT
                                            : some_private_gpa() | CBIT) |
                  below(0x200) | below(8) * (1ULL << 60));
    }
    va = (void *)some_address();
    switch (below(3)) {
    case 0:
        try_fn(read_quad, va);
        break;
    case 1:
        if ((u64)va - WINDOW_VA >= 64 * PAGE) {
            try_fn(write_quad, va);
        }
        break;
    default:
        *window_directory(5) = some_private_gpa() | CBIT | PTE;
        va = (void *)(WINDOW_VA + 5 * PAGE_2M + below(PAGE_2M));
        invlpg(va);
        try_fn(read_quad, va);
        *window_directory(5) = 0;
    }
}

static const struct {
    const char *name;
    void (*fn)(void);
} kinds[] = {
    { T("page-state-changes"), one_page_state_change },
    { T("msrs"), one_msr },
    { T("events"), one_event },
    { T("io"), one_io },
    { T("msr-requests"), one_msr_request },
    { T("instructions"), one_instruction },
    { T("accesses"), one_access },
};

static volatile u64 ap_rounds;

/* The other vCPU converts, validates and uses the same pages. */
void ap_main(unsigned index)
{
    u64 at = index;

    ghcb_setup();
    for (;;) {
        u64 gpa = AREA_GPA + (at++ % (AREA_SIZE / PAGE)) * PAGE;

        psc_msr(gpa, 1 + at % 2);
        try_fn(read_quad, priv(gpa));
        try_fn(write_quad, shar(gpa));
        ap_rounds++;
    }
}

void payload(void)
{
    goes_on = host_goes_on();
    ap_start(1);
    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        for (unsigned round = 0; round < ROUNDS / 5; round++) {
            kinds[i].fn();
        }
        check(kinds[i].name, true);
    }
    for (unsigned round = 0; round < ROUNDS / 2; round++) {
        kinds[below(ARRAY_SIZE(kinds))].fn();
    }
    check(T("mixed"), true);
    check(T("the-other-vcpu-went-on"), wait_for_more(&ap_rounds, 0));
    check_eq(T("stop-the-other"), ap_request(AP_DESTROY, 1, 0, 0), 0);
    check(T("still-served"), io_in(0x71, 1) < 256);
}
