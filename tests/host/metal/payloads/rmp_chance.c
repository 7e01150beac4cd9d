/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host that writes the RMP by chance, and guests with SEV-SNP that meet it,
 * without end
 */
#include "chance.h"
#include "rmp.h"

#define VM_HSAVE_PA     0xc0010117

/* Of a page in RSI, private or not: what a guest can do to it */
ES_GUEST(g_some, "movq (%rsi), %rbx\n movq %rsi, (%rsi)\n lock incq 8(%rsi)");
ES_GUEST(g_pvalidate, "movq %rsi, %rax\n .byte 0xf2, 0x0f, 0x01, 0xff\n"
         "movq (%rsi), %rbx\n movq %rsi, %rax\n btcq $0, %rdx\n"
         ".byte 0xf2, 0x0f, 0x01, 0xff\n movq (%rsi), %rbx");
ES_GUEST(g_rmpadjust, "movq %rsi, %rax\n .byte 0xf3, 0x0f, 0x01, 0xfe\n"
         "movq %rsi, %rax\n .byte 0xf3, 0x0f, 0x01, 0xfd\n call *%rsi");
ES_GUEST(g_across, "movups 0xff8(%rsi), %xmm0\n movups %xmm0, 0xff8(%rsi)\n"
         "pushq %rsi\n popq (%rsi)\n movq %rsi, %rdi\n movl $600, %ecx\n"
         "rep stosq");

static const struct {
    const u8 *start, *end;
} codes[] = {
    { g_some, g_some_end },
    { g_pvalidate, g_pvalidate_end },
    { g_rmpadjust, g_rmpadjust_end },
    { g_across, g_across_end },
};

/* What the host needs for itself is seldom among them. */
static u64 some_page(void)
{
    static const u64 pages[] = {
        GUEST_CODE, GUEST_ROOT, GUEST_TABLE, GUEST_STATE, GUEST_DATA,
        GUEST_DATA + PAGE, GUEST_BIG, GUEST_BIG + PAGE, GUEST_BIG + PAGE_2M,
        GUEST_BIG + PAGE_2M - PAGE,
    };
    u64 rmp = rdmsr(RMP_BASE);

    switch (chance(16)) {
    case 0:
        /* To write the table takes that its own pages are the host's. */
        return chance(50) ? GUEST_DATA : rmp + chance(0x200) * PAGE;
    case 1:
        return GUEST_BIG + chance(0x400) * PAGE;
    case 2:
        return chance(20) ? GUEST_DATA : some_value(GUEST_DATA);
    case 3:
        return chance(100) ? GUEST_DATA : chance(2) ? (u64)vmcb : (u64)hsave;
    default:
        return pages[chance(ARRAY_SIZE(pages))];
    }
}

static bool has_rmpread;

static void update(void)
{
    struct rmp_state state = {
        .gpa = chance(2) ? some_page() : some_value(0),
        .assigned = chance(3), .page_2m = !chance(4), .immutable = !chance(16),
        .reserved = chance(256),
        .asid = chance(8) ? GUEST_ASID : some_value(GUEST_ASID),
    };
    u64 spa = some_page();

    if (!chance(4)) {
        spa &= ~(PAGE_2M - 1);
    }
    switch (chance(8)) {
    case 0:
        psmash(spa);
        break;
    case 1:
        if (has_rmpread) {
            rmpread(spa, &state);
        }
        break;
    default:
        rmpupdate(spa, &state);
    }
}

/* What lies in the table is the host's to write, too. */
static void write_entry(void)
{
    u64 spa = some_page();
    volatile u64 *at;

    if (spa >= rdmsr(RMP_BASE)) {
        return;
    }
    at = rmp_entry(spa);
    at[chance(2)] ^= 1ULL << chance(64);
    if (!chance(4)) {
        at[0] = some_value(GUEST_VALID | spa);
    }
}

static void touch(void)
{
    /* volatile: the access itself is what counts */
    volatile u64 *at = (u64 *)(some_page() & 0x3ffffff8);

    if (chance(2)) {
        *at = chance(1ULL << 32);
    } else {
        (void)*at;
    }
}

static void disturb(void *unused)
{
    (void)unused;
    switch (chance(6)) {
    case 0:
        write_entry();
        break;
    case 1:
        touch();
        break;
    case 2:
        *nested_entry(some_page()) = some_value(GUEST_DATA | 7);
        break;
    case 3:
        if (!chance(50)) {
            wrmsr(SYSCFG, some_value(rdmsr(SYSCFG)));
        } else if (!chance(500)) {
            wrmsr(VM_HSAVE_PA, some_page());
        }
        break;
    default:
        update();
    }
}

/* Pages that the last round has made immutable are the host's again. */
static void clean(void)
{
    static const u64 own[] = { GUEST_DATA, GUEST_DATA + PAGE };

    for (unsigned i = 0; i < ARRAY_SIZE(own); i++) {
        set_rmp(own[i], 0, 0);
    }
    if (!chance(8)) {
        memset((void *)rmp_entry(GUEST_BIG), 0, 0x200 * 16);
    }
    *(u64 *)rmp_entry(GUEST_CODE) &= ~RMP_COUNT(511);
}

static void one(void *unused)
{
    unsigned code = chance(ARRAY_SIZE(codes)), n = chance(6);
    u64 page = chance(3) ? GUEST_DATA : GUEST_BIG + chance(3) * PAGE;

    (void)unused;
    clean();
    set_snp(codes[code].start, codes[code].end, chance(16) ? 0 : chance(4),
            page + (chance(3) ? GUEST_PRIVATE : 0));
    set_guest_state(VMSA_RCX, chance(8) ? chance(2) : some_value(0));
    set_guest_state(VMSA_RDX, chance(4) ? chance(2) : some_value(0x301));
    if (chance(2)) {
        set_rmp(page, GUEST_VALID | page, RMP_ALL);
    }
    if (!chance(8)) {
        set_guest_state(chance(0x670 / 8) * 8, some_value(0));
    }
    while (n--) {
        try(disturb, NULL);
    }
    run_by_chance(true);
}

void payload(void)
{
    u32 regs[4];

    cpuid(0x8000001f, 0, regs);
    has_rmpread = regs[0] >> 21 & 1;
    svm_on();
    map_small();
    snp_on();
    chance_rounds(one);
}
