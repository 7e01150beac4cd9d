/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RMPREAD, which processors after family 19h have
 *
 * APM volume 3, RMPREAD.  The machine has 256 MiB of RAM.
 */
#include "rmp.h"

#define SPA             0x4000000ULL
#define LARGE           0x4400000ULL
#define FIXED           0x4800000ULL
#define GPA             0x40000000ULL
#define OUTSIDE         (1ULL << 40)
#define NOT_MAPPED      0x18000000000ULL
#define NOT_CANONICAL   0x800000000000ULL

#define HAS_RMPREAD     (1U << 21)      /* CPUID 8000_001F EAX */
#define FAIL_INPUT      1
#define STATUS_FLAGS    0x8d5
#define CF              0x001
#define PF_FLAG         0x004
#define ZF              0x040
#define PF_RMP          (1ULL << 31)

static u8 buffer[2 * PAGE] __attribute__((aligned(PAGE)));
static void do_rmpread(void *arg)
{
    rmpread(SPA, arg);
}

static void check_state(const char *name, u64 spa, struct rmp_state expected)
{
    /* On its way over a page's end */
    u64 *found = (u64 *)(buffer + PAGE - 8);
    u64 words[2], eax;

    memcpy(words, &expected, sizeof(words));
    memset(buffer, 0xee, sizeof(buffer));
    eax = rmpread(spa, (struct rmp_state *)found);
    if (eax) {
        check_eq(name, eax, 0);
    } else if (found[0] != words[0]) {
        check_eq(name, found[0], words[0]);
    } else {
        check_eq(name, found[1], words[1]);
    }
}

static void check_refused(const char *name, u64 spa)
{
    u64 *found = (u64 *)buffer;

    memset(buffer, 0xee, sizeof(buffer));
    check(name, rmpread(spa, (struct rmp_state *)found) == FAIL_INPUT &&
          found[0] == 0xeeeeeeeeeeeeeeeeULL && found[1] == found[0]);
}

static void check_fault(const char *name, u64 at, u64 error)
{
    int vector = try(do_rmpread, (void *)at);

    if (vector != PF || trapped.rax != SPA) {
        check_eq(name, vector, PF);
        check_eq(name, trapped.rax, SPA);
        return;
    }
    check_eq(name, trapped.error, error);
}

/* OF, SF, ZF, AF and PF by EAX, and CF as it was */
static u64 flags_of(u64 spa)
{
    u64 flags;

    asm volatile("stc; .byte 0xf2, 0x0f, 0x01, 0xfd; pushfq; popq %0"
                 : "=r"(flags), "+a"(spa) : "c"(buffer) : "memory", "cc");
    return flags & STATUS_FLAGS;
}

static void test_states(void)
{
    struct rmp_state guest = { GPA, 1, 0, 0, 0, 5 };
    struct rmp_state next = { GPA + 8 * PAGE, 1, 0, 0, 0, 1023 };
    struct rmp_state large = { GPA, 1, 1, 0, 0, 6 };
    struct rmp_state last = { GPA + 511 * PAGE, 1, 1, 0, 0, 6 };
    struct rmp_state firmware = { .assigned = 1, .immutable = 1 };

    check_state(T("host"), SPA, (struct rmp_state) { });
    rmpupdate(SPA + PAGE, &next);
    check_state(T("guest-of-largest-asid"), SPA + PAGE, next);
    check_state(T("host-others-assigned"), SPA,
                (struct rmp_state) { .page_2m = STATE_REGION });
    rmpupdate(SPA, &guest);
    guest.page_2m = STATE_REGION;
    check_state(T("guest-others-assigned"), SPA, guest);
    rmpupdate(SPA + PAGE, &(struct rmp_state) { });
    guest.page_2m = 0;
    check_state(T("guest-alone"), SPA, guest);
    rmpupdate(LARGE, &large);
    check_state(T("large"), LARGE, large);
    check_state(T("large-last"), LARGE + 511 * PAGE, last);
    rmpupdate(FIXED, &firmware);
    check_state(T("firmware"), FIXED, firmware);
}

void payload(void)
{
    const u64 written = PF_PRESENT | PF_WRITE;
    u32 regs[4];

    cpuid(0x8000001f, 0, regs);
    check(T("announced"), regs[0] & HAS_RMPREAD);
    check_eq(T("before-snp"), try(do_rmpread, buffer), UD);
    snp_on();
    test_states();
    check_eq(T("flags"), flags_of(SPA), CF | PF_FLAG | ZF);
    check_eq(T("flags-refused"), flags_of(SPA + 8), CF);
    check_refused(T("spa-unaligned"), SPA + 8);
    check_refused(T("spa-not-covered"), OUTSIDE);
    check_refused(T("spa-with-c-bit"), SPA | CBIT);
    check_fault(T("operand-not-mapped"), NOT_MAPPED, PF_WRITE);
    check_fault(T("operand-of-a-guest"), LARGE, written | PF_RMP);
    check_fault(T("operand-half-of-a-guest"), LARGE - 8, written | PF_RMP);
    check_eq(T("operand-not-canonical"),
             try(do_rmpread, (void *)NOT_CANONICAL), GP);
}
