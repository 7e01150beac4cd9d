/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory under KVM: vCPUs that fault and get nowhere
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "hw/core/cpu.h"
#include "system/kvm.h"
#include "internal.h"

/*
 * The same access to the same page may fault more than once in a row while
 * nothing is left to convert: other vCPUs can convert it to and fro in
 * between.  Beyond this, KVM and QEMU do not agree.
 */
#define FAULTS_WITHOUT_PROGRESS 10000
/*
 * The same for a page that one instruction wants as private and as shared by
 * turns; the first turns cost no look at the registers.
 */
#define TURNS_WITHOUT_PROGRESS 1000
#define TURNS_UNSEEN 64

/*
 * What this vCPU last faulted on: each has a thread of its own.  A fault for
 * the state that the page has, or for the other one as last time (a turn) by
 * the same instruction, is no progress.
 */
typedef struct FaultGuard {
    hwaddr gpa;
    bool to_private;
    bool alternates;
    unsigned int repeats;
    unsigned int turns;
    struct kvm_regs regs;
} FaultGuard;

static __thread FaultGuard guard;

/*
 * Has this vCPU executed an instruction since the last call?  An instruction
 * that has come back to the same address with nothing new in any register
 * counts as the same one.  KVM does not tell registers that are encrypted.
 */
static bool has_executed(FaultGuard *g)
{
    struct kvm_regs regs = {};
    bool changed;

    if (kvm_vcpu_ioctl(current_cpu, KVM_GET_REGS, &regs) < 0) {
        memset(&regs, 0, sizeof(regs));
    }
    changed = memcmp(&regs, &g->regs, sizeof(regs));
    g->regs = regs;
    return changed;
}

/* The page is wanted as private and as shared by turns. */
static bool turn_is_progress(FaultGuard *g)
{
    g->to_private = !g->to_private;
    return ++g->turns <= TURNS_UNSEEN || has_executed(g);
}

bool upm_kvm_stuck(hwaddr gpa, bool to_private, bool changed)
{
    FaultGuard *g = &guard;

    if (g->gpa != gpa) {
        *g = (FaultGuard) { .gpa = gpa, .to_private = to_private };
        return false;
    }
    g->alternates = g->to_private != to_private;
    if (g->alternates ? turn_is_progress(g) : changed) {
        g->repeats = 0;
        return false;
    }
    return ++g->repeats >= (g->alternates ? TURNS_WITHOUT_PROGRESS
                                          : FAULTS_WITHOUT_PROGRESS);
}

void upm_kvm_stuck_reset(void)
{
    guard = (FaultGuard) {};
}

bool upm_kvm_stuck_asked(hwaddr gpa, bool to_private)
{
    return guard.gpa == gpa && guard.to_private == to_private;
}

unsigned int upm_kvm_stuck_repeats(void)
{
    return guard.repeats;
}

char *upm_kvm_stuck_reason(hwaddr gpa, uint64_t size, bool to_private)
{
    const char *state = to_private ? "private" : "shared";

    if (guard.alternates) {
        return g_strdup_printf("a vCPU used 0x%" HWADDR_PRIx " +0x%" PRIx64
                               " as private and as shared %u times by turns "
                               "without executing an instruction", gpa, size,
                               guard.repeats);
    }
    return g_strdup_printf("a vCPU used 0x%" HWADDR_PRIx " +0x%" PRIx64 " as "
                           "%s %u times in a row and KVM refused it each time,"
                           " although it is %s", gpa, size, state,
                           guard.repeats, state);
}
