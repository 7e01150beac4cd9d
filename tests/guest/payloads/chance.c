/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU by chance: VMSAs and instructions that nobody would write; two vCPUs
 *
 * What becomes of the guest does not matter: most runs end in a triple fault.
 * The host gives the seed and sees that QEMU outlives it, see
 * tests/fuzz/test_chance.py.
 */
#include "snp.h"

#define ROUNDS      100
#define CODE_PAGES  4

/* IDT, TSS, handler, where it goes on, and its stack, a page each */
#define OWN_GPA     (AREA_GPA + 6 * PAGE_2M)
#define OWN_PAGES   6
#define TSS_GPA     (OWN_GPA + PAGE)
#define HANDLER_GPA (OWN_GPA + 2 * PAGE)
#define NEXT_GPA    (OWN_GPA + 3 * PAGE)
#define STACK_GPA   (OWN_GPA + OWN_PAGES * PAGE)
#define CODE_GPA    (AREA_GPA + 8 * PAGE_2M)

static u64 some_number(void)
{
    switch (below(7)) {
    case 0:
        return below(16);
    case 1:
        return 1ULL << below(64);
    case 2:
        return -1ULL << below(64);
    case 3:
        return AREA_GPA + below(4 * PAGE_2M);
    case 4:
        return SHARED_VA + AREA_GPA + below(4 * PAGE_2M);
    case 5:
        return ~(1ULL << below(64));
    default:
        return chance();
    }
}

/* What a processor in trouble executes; the length first */
static const u8 instructions[][6] = {
    { 4, 0xf2, 0x0f, 0x01, 0xff },          /* pvalidate, thrice */
    { 4, 0xf2, 0x0f, 0x01, 0xff },
    { 4, 0xf2, 0x0f, 0x01, 0xff },
    { 4, 0xf3, 0x0f, 0x01, 0xfe },          /* rmpadjust, rmpquery */
    { 4, 0xf3, 0x0f, 0x01, 0xfd },
    { 4, 0xf2, 0x0f, 0x01, 0xfe },          /* rmpupdate, psmash, rmpread */
    { 4, 0xf3, 0x0f, 0x01, 0xff },
    { 4, 0xf2, 0x0f, 0x01, 0xfd },
    { 4, 0xf3, 0x0f, 0x01, 0xd9 },          /* vmgexit, vmmcall */
    { 3, 0x0f, 0x01, 0xd9 },
    { 3, 0x0f, 0x01, 0xd8 },                /* SVM */
    { 3, 0x0f, 0x01, 0xda },
    { 3, 0x0f, 0x01, 0xdb },
    { 3, 0x0f, 0x01, 0xdc },
    { 3, 0x0f, 0x01, 0xdd },
    { 3, 0x0f, 0x01, 0xde },
    { 3, 0x0f, 0x01, 0xdf },
    { 2, 0x0f, 0x30 },                      /* wrmsr, twice, rdmsr */
    { 2, 0x0f, 0x30 },
    { 2, 0x0f, 0x32 },
    { 4, 0xf0, 0x48, 0xff, 0x00 },          /* lock inc (rax, rbx, ...) */
    { 4, 0xf0, 0x48, 0xff, 0x03 },
    { 4, 0xf0, 0x48, 0xff, 0x06 },
    { 4, 0xf0, 0x48, 0xff, 0x07 },
    { 5, 0xf0, 0x48, 0x0f, 0xc7, 0x0e },    /* lock cmpxchg16b (rsi) */
    { 3, 0x0f, 0x22, 0xc0 },                /* mov to cr0, cr3, cr4, cr8 */
    { 3, 0x0f, 0x22, 0xdb },
    { 3, 0x0f, 0x22, 0xe3 },
    { 4, 0x44, 0x0f, 0x22, 0xc0 },
    { 3, 0x0f, 0x23, 0xf8 },                /* mov to dr7, dr6, dr0 */
    { 3, 0x0f, 0x23, 0xf0 },
    { 3, 0x0f, 0x23, 0xc0 },
    { 3, 0x0f, 0x01, 0xd1 },                /* xsetbv */
    { 3, 0x0f, 0x00, 0xd8 },                /* ltr, lldt */
    { 3, 0x0f, 0x00, 0xd0 },
    { 3, 0x0f, 0x01, 0x10 },                /* lgdt (rax) */
    { 2, 0x8e, 0xd8 },                      /* mov to ds, fs, ss */
    { 2, 0x8e, 0xe0 },
    { 2, 0x8e, 0xd0 },
    { 2, 0x48, 0xcf },                      /* iretq, iret */
    { 1, 0xcf },
    { 3, 0x48, 0x0f, 0x07 },                /* sysretq, sysret, syscall */
    { 2, 0x0f, 0x07 },
    { 2, 0x0f, 0x05 },
    { 3, 0x48, 0x0f, 0x35 },                /* sysexit, sysenter */
    { 2, 0x0f, 0x34 },
    { 3, 0x48, 0xff, 0x28 },                /* far jump, far return */
    { 2, 0x48, 0xcb },
    { 2, 0x0f, 0xaa },                      /* rsm */
    { 2, 0xcd, 0x1d },                      /* int, int3, popf */
    { 1, 0xcc },
    { 1, 0x9d },
    { 3, 0x0f, 0xae, 0x08 },                /* fxrstor, xsave, xrstor */
    { 3, 0x0f, 0xae, 0x20 },
    { 3, 0x0f, 0xae, 0x28 },
    { 3, 0x0f, 0xc7, 0x20 },                /* xsavec, xsaves, xrstors */
    { 3, 0x0f, 0xc7, 0x28 },
    { 3, 0x0f, 0xc7, 0x18 },
    { 3, 0xf3, 0x48, 0xa5 },                /* rep movsq, stosb, ins, outs */
    { 2, 0xf3, 0xaa },
    { 2, 0xf3, 0x6c },
    { 2, 0xf3, 0x6e },
    { 2, 0x0f, 0xa2 },                      /* cpuid, wbinvd, rdpmc */
    { 2, 0x0f, 0x09 },
    { 2, 0x0f, 0x33 },
    { 3, 0x0f, 0x01, 0x38 },                /* invlpg (rax), swapgs */
    { 3, 0x0f, 0x01, 0xf8 },
    { 3, 0x48, 0x8b, 0x00 },                /* read (rax), write (rsi) */
    { 3, 0x48, 0x89, 0x06 },
    { 2, 0x48, 0x93 },                      /* swap rax with rbx, rsi */
    { 2, 0x48, 0x96 },
};

static const u32 msrs[] = {
    0x10, 0x1b, 0x3a, 0x3b, 0xfe, 0x174, 0x179, 0x17a, 0x1d9, 0x200, 0x277,
    0x2ff, 0x400, 0x480, 0x6e0, 0x800, 0x808, 0x830, 0xda0, 0xc0000080,
    0xc0000081, 0xc0000082, 0xc0000100, 0xc0000101, 0xc0010010, 0xc0010015,
    0xc0010114, 0xc0010117, 0xc0011029, MSR_SEV_STATUS, MSR_GHCB, MSR_GHCB,
};

static u8 *put_bytes(u8 *p, const void *bytes, unsigned n)
{
    memcpy(p, bytes, n);
    return p + n;
}

static u8 *put_something(u8 *p)
{
    const u8 *instruction = instructions[below(ARRAY_SIZE(instructions))];
    u64 number = some_number();

    switch (below(12)) {
    case 0:
        *p++ = chance();
        return p;
    case 1:
    case 2:
        *p++ = 0xb9;                        /* mov $msr, %ecx */
        return put_bytes(p, &msrs[below(ARRAY_SIZE(msrs))], 4);
    case 3:
    case 4:
    case 5:
        *p++ = 0x48;                        /* mov $number, any register */
        *p++ = 0xb8 + below(8);
        return put_bytes(p, &number, 8);
    default:
        return put_bytes(p, instruction + 1, instruction[0]);
    }
}

static void put_code(u8 *p, u64 size)
{
    u8 *end = p + size - 16;

    while (p < end) {
        p = put_something(p);
    }
}

/* What the other vCPU may have given away */
static void take(u64 gpa, unsigned pages)
{
    for (; pages; pages--, gpa += PAGE) {
        psc_msr(gpa, PSC_PRIVATE);
        pvalidate(priv(gpa), 0, 1);
    }
}

/* Every exception goes on a little further in the code. */
static void put_handler(u64 code)
{
    static const u8 handler[] = {
        0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0,     /* mov $next, %rax */
        0x48, 0x83, 0x00, 61,                   /* addq $61, (%rax) */
        0x48, 0x8b, 0x00,                       /* mov (%rax), %rax */
        0x48, 0xbc, 0, 0, 0, 0, 0, 0, 0, 0,     /* mov $stack, %rsp */
        0xff, 0xe0,                             /* jmp *%rax */
    };
    u64 *gate = priv(OWN_GPA);
    u8 *tss = priv(TSS_GPA), *p = priv(HANDLER_GPA);

    for (unsigned i = 0; i < 256; i++) {
        gate[2 * i] = (HANDLER_GPA & 0xffff) | SEL_CODE64 << 16 |
                      0x8e01ULL << 32 | HANDLER_GPA >> 16 << 48;
        gate[2 * i + 1] = HANDLER_GPA >> 32;
    }
    memset(tss, 0, PAGE);
    *(u64 *)(tss + 4) = STACK_GPA;              /* RSP0 and IST1 */
    *(u64 *)(tss + 0x24) = STACK_GPA;
    memcpy(p, handler, sizeof(handler));
    *(u64 *)(p + 2) = NEXT_GPA;
    *(u64 *)(p + 19) = STACK_GPA;
    *(volatile u64 *)priv(NEXT_GPA) = code;
}

static void spoil(u8 *page)
{
    static const u16 registers[] = {
        GHCB_RAX, GHCB_RCX, GHCB_RDX, GHCB_RBX, 0x328, GHCB_RSI, 0x338,
    };

    for (unsigned i = 0; i < ARRAY_SIZE(registers); i++) {
        *(u64 *)(page + registers[i]) = some_number();
    }
    for (unsigned n = below(2) * below(5); n; n--) {
        u64 *word = (u64 *)(page + below(0x670 / 8) * 8);

        *word = below(2) ? *word ^ 1ULL << below(64) : some_number();
    }
}

static void start_other(u64 code)
{
    u8 *page = ap_vmsa(1);

    *(u32 *)(page + 0x84) = PAGE - 1;           /* IDTR, TR, RIP */
    *(u64 *)(page + 0x88) = OWN_GPA;
    *(u32 *)(page + 0x94) = 0x67;
    *(u64 *)(page + 0x98) = TSS_GPA;
    *(u64 *)(page + 0x178) = code;
    spoil(page);
    rmpadjust(page, 0, 0x10001);
    ap_request(AP_CREATE, 1, (u64)page, SEV_FEATURES);
    ap_signal_once(1);
    delay_us(300);
}

/* A guest that cannot give a vCPU registers runs the code itself. */
static void run_alone(void)
{
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) table = { PAGE - 1, OWN_GPA };
    u64 *tss = (u64 *)(gdt + SEL_TSS);

    put_code(priv(CODE_GPA), CODE_PAGES * PAGE);
    put_handler(CODE_GPA);
    tss[0] = 0x67 | (TSS_GPA & 0xffffff) << 16 | 0x89ULL << 40 |
             TSS_GPA >> 24 << 56;
    tss[1] = 0;
    asm volatile("lidt %0; ltr %w1; mov %2, %%rsp; jmp *%3"
                 :: "m"(table), "r"(SEL_TSS), "r"((u64)STACK_GPA),
                 "r"((u64)CODE_GPA));
}

void payload(void)
{
    for (unsigned i = 0; i < sizeof(chance_state); i++) {
        chance_state = chance_state << 8 | host_byte();
    }
    chance_state |= 1;
    if (!has_rmp()) {
        run_alone();
    }
    take(AREA_GPA, 16);
    for (unsigned round = 0; round < ROUNDS; round++) {
        ap_request(AP_DESTROY, 1, 0, 0);
        delay_us(20);
        take(OWN_GPA, OWN_PAGES);
        take(CODE_GPA, CODE_PAGES);
        put_code(priv(CODE_GPA), CODE_PAGES * PAGE);
        put_handler(CODE_GPA);
        start_other(CODE_GPA);
    }
    check(T("survived"), true);
}
