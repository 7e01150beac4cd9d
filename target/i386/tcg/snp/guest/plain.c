/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A world without checks: guests with SEV or SEV-ES, whose memory has no RMP
 *
 * The C-bit of an access says which half it wants.  Where the map says
 * another one the frame is converted, as it is for guests with SEV-SNP: no
 * access ever reaches the half that the map hides.
 */
#include "qemu/osdep.h"
#include "qemu/rcu.h"
#include "cpu.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/svm-assist.h"
#include "tcg/snp/guest/guest.h"
#include "tcg/snp/guest/hypercall.h"
#include "trace.h"

/* Steps in which a hypercall converts: some milliseconds without other vCPUs */
#define STEP_SIZE (64ULL << 20)

/*
 * Memory without a private half.  Where exceptions are the guest's to handle
 * it is told of what no memory slot maps.  Otherwise the C-bit goes: it is no
 * part of a nested page fault's address, and what KVM finds there is a device.
 */
SnpOutcome snp_plain_elsewhere(CPUX86State *env, SnpAccess *access)
{
    if (env->hflags & HF_SNP_MASK &&
        !snp_shared_is_mapped(access->gpa, access->type == MMU_DATA_STORE)) {
        return SNP_ACCESS_MMIO;
    }
    access->paddr = access->gpa;
    return SNP_ACCESS_OK;
}

SnpOutcome snp_plain_access(CPUX86State *env, SnpAccess *access)
{
    SnpFrame frame;

    if (!snp_guest_address(env, access)) {
        return SNP_ACCESS_RESOLVED;
    }
    RCU_READ_LOCK_GUARD();
    if (!snp_frame_find(access->gpa, &frame)) {
        return snp_plain_elsewhere(env, access);
    }
    return snp_frame_is_private(&frame) == access->private
        ? SNP_ACCESS_OK : SNP_ACCESS_FAULT;
}

/* Registers are the hypervisor's: all else is as in any reset. */
void snp_plain_reset(X86CPU *cpu)
{
    cpu->env.svm.sev = snp_guest()->kind.sev;
}

/*
 * Hypercalls
 */

static bool is_all_ram(hwaddr gpa, uint64_t size)
{
    UpmExtent extent;

    RCU_READ_LOCK_GUARD();
    while (size) {
        if (!upm_memory_resolve(gpa, size, &extent)) {
            return false;
        }
        gpa += extent.size;
        size -= extent.size;
    }
    return true;
}

/*
 * Linux tells all of its memory at once, however large.  Other vCPUs wait for
 * a step of it only; the whole range is looked at before, so that a step
 * fails for reasons of the host's, and those before it stay.
 */
static int convert_in_steps(void *opaque, uint64_t gpa, uint64_t size,
                            bool to_private)
{
    CPUX86State *env = opaque;
    int ret = 0;

    if (!is_all_ram(gpa, size)) {
        /* Refused, counted, and told why */
        return snp_convert(env, gpa, size, to_private, UPM_CAUSE_HYPERCALL);
    }
    while (size && !ret) {
        uint64_t step = MIN(size, STEP_SIZE);

        if (snp_must_stop(env)) {
            return -EAGAIN;
        }
        ret = snp_convert(env, gpa, step, to_private, UPM_CAUSE_HYPERCALL);
        gpa += step;
        size -= step;
    }
    return ret;
}

uint64_t snp_hypercall(CPUX86State *env, uint64_t nr, const uint64_t args[3],
                       bool wide, bool user)
{
    SnpHypercall call = {
        .nr = nr, .args = { args[0], args[1], args[2] }, .wide = wide,
        .user = user,
    };
    uint64_t answer = snp_hypercall_answer(&call, convert_in_steps, env);

    trace_snp_hypercall(env_cpu(env)->cpu_index, nr, args[0], args[1],
                        args[2], answer);
    return answer;
}

bool snp_plain_hypercall(CPUX86State *env)
{
    const uint64_t args[3] = {
        env->regs[R_EBX], env->regs[R_ECX], env->regs[R_EDX],
    };

    env->regs[R_EAX] = snp_hypercall(env, env->regs[R_EAX], args,
                                     env->hflags & HF_CS64_MASK,
                                     env->hflags & HF_CPL_MASK);
    return true;
}
