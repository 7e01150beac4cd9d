/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory under KVM: vCPUs that fault and get nowhere
 *
 * A vCPU that faulted is run again when the page has the state that it wanted.
 * It comes back for ever where one instruction wants pages in states that can
 * not be at one time, so that each conversion is undone by a later one, or
 * where KVM refuses a page that has the state.  A fault shows progress where
 *
 * - the page is none of the PAGES that this vCPU faulted on latest;
 * - this vCPU wants the state that it wanted last time, and somebody took it
 *   away;
 * - a register has changed since it was last looked at: an instruction that
 *   comes back with the same registers has not been executed;
 * - KVM does not tell registers, since they are encrypted, and another vCPU
 *   has converted the page since: this one is not alone with it;
 *
 * and so does a request of this vCPU (upm_kvm_stuck_reset()).  Without
 * progress it is stuck after
 *
 * - REFUSALS faults, where it always wants the same of each page;
 * - TURNS faults, where it wants a page as both; ten times as many where KVM
 *   does not tell registers, a second or so, as less is known then.
 *
 * So no guest is stopped whose registers are known and change, and none whose
 * vCPUs use a page by turns.  A guest with encrypted registers is, if one
 * vCPU uses a few pages as both BLIND_TURNS times, never another page, and
 * asks for nothing; it would have to validate such a page each time.  Not seen
 * are instructions that want more than PAGES pages, and with encrypted
 * registers two vCPUs that are stuck on one page.  Neither holds up anybody
 * else: conversions of a stuck vCPU take no BQL.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "hw/core/cpu.h"
#include "system/kvm.h"
#include "internal.h"

#define PAGES       8
#define REFUSALS    10000
#define TURNS       1000
#define BLIND_TURNS (10 * TURNS)
/* The first faults in a row cost no look at the registers. */
#define UNSEEN      64

/*
 * How often pages were converted, of those with the same low bits in their
 * frame number; it wraps around.
 */
#define CHANGES     4096
static unsigned int changes[CHANGES];

typedef struct FaultPage {
    hwaddr gpa;
    bool to_private;
    /* of all that share its place in @changes, without this vCPU's own */
    unsigned int changes;
} FaultPage;

/* What this vCPU faulted on latest: each has a thread of its own. */
typedef struct FaultGuard {
    FaultPage pages[PAGES];
    unsigned int known;
    unsigned int next;
    /* of the latest fault */
    FaultPage *page;
    bool is_new;
    /* since there was progress */
    unsigned int faults;
    bool turns;
    bool several;
    hwaddr last;
    /* KVM does not tell the registers */
    bool blind;
    struct kvm_regs regs;
} FaultGuard;

static __thread FaultGuard guard;

static unsigned int *changes_at(hwaddr gpa)
{
    return &changes[(gpa >> UPM_FRAME_BITS) % CHANGES];
}

void upm_kvm_stuck_converted(hwaddr gpa, uint64_t size)
{
    uint64_t frames = MIN(size >> UPM_FRAME_BITS, CHANGES);
    uint64_t i;

    for (i = 0; i < frames; i++) {
        qatomic_inc(changes_at(gpa + (i << UPM_FRAME_BITS)));
    }
}

void upm_kvm_stuck_reset(void)
{
    guard.known = guard.next = guard.faults = 0;
}

static FaultPage *find_page(FaultGuard *g, hwaddr gpa)
{
    unsigned int i;

    for (i = 0; i < g->known; i++) {
        if (g->pages[i].gpa == gpa) {
            return &g->pages[i];
        }
    }
    return NULL;
}

static FaultPage *add_page(FaultGuard *g, hwaddr gpa, bool to_private)
{
    FaultPage *page = &g->pages[g->next];

    g->next = (g->next + 1) % PAGES;
    g->known = MIN(g->known + 1, PAGES);
    *page = (FaultPage) {
        .gpa = gpa,
        .to_private = to_private,
        .changes = qatomic_read(changes_at(gpa)),
    };
    return page;
}

bool upm_kvm_stuck_fault(hwaddr gpa, bool to_private)
{
    FaultGuard *g = &guard;

    g->page = find_page(g, gpa);
    g->is_new = !g->page;
    if (g->is_new) {
        g->page = add_page(g, gpa, to_private);
        return false;
    }
    return g->page->to_private == to_private;
}

/*
 * This vCPU has converted the page, which is no news to it.  Where registers
 * tell more nobody asks; a page that has missed some of these when they tell no
 * more shows progress once.
 */
static void count_own_change(FaultGuard *g, hwaddr gpa)
{
    unsigned int i;

    qatomic_inc(changes_at(gpa));
    for (i = 0; g->blind && i < g->known; i++) {
        g->pages[i].changes += changes_at(g->pages[i].gpa) == changes_at(gpa);
    }
}

static bool has_executed(FaultGuard *g)
{
    struct kvm_regs regs = {};
    bool changed;

    g->blind = kvm_vcpu_ioctl(current_cpu, KVM_GET_REGS, &regs) < 0;
    changed = !g->blind && memcmp(&regs, &g->regs, sizeof(regs));
    g->regs = regs;
    return changed;
}

static void note_progress(FaultGuard *g)
{
    g->faults = 0;
    g->turns = g->several = false;
}

static unsigned int limit(const FaultGuard *g)
{
    return !g->turns ? REFUSALS : g->blind ? BLIND_TURNS : TURNS;
}

bool upm_kvm_stuck(hwaddr gpa, bool to_private, bool changed)
{
    FaultGuard *g = &guard;
    FaultPage *page = g->page;
    bool turned = page->to_private != to_private;
    bool taken_away = changed && !turned;
    bool others = g->blind && page->changes != qatomic_read(changes_at(gpa));

    page->to_private = to_private;
    if (changed) {
        count_own_change(g, gpa);
    }
    page->changes = qatomic_read(changes_at(gpa));
    if (g->is_new || taken_away || others) {
        note_progress(g);
        g->last = gpa;
        return false;
    }
    g->turns |= turned;
    g->several |= gpa != g->last;
    g->last = gpa;
    if (++g->faults > UNSEEN && has_executed(g)) {
        note_progress(g);
        return false;
    }
    return g->faults >= limit(g);
}

unsigned int upm_kvm_stuck_repeats(void)
{
    return guard.faults;
}

char *upm_kvm_stuck_reason(hwaddr gpa, uint64_t size, bool to_private)
{
    const char *state = to_private ? "private" : "shared";
    const char *pages = guard.several ? " and other pages" : "";

    if (guard.turns) {
        return g_strdup_printf("a vCPU used 0x%" HWADDR_PRIx " +0x%" PRIx64
                               "%s as private and as shared %u times by turns "
                               "%s", gpa, size, pages, guard.faults,
                               guard.blind ? "and shows no progress"
                               : "without executing an instruction");
    }
    return g_strdup_printf("a vCPU used 0x%" HWADDR_PRIx " +0x%" PRIx64 "%s as "
                           "%s %u times in a row and KVM refused it each time,"
                           " although it is %s", gpa, size, pages, state,
                           guard.faults, state);
}
