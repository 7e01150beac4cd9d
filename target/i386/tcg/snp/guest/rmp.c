/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The RMP as the processor asks for it: checks, and what the hypervisor does
 * where they fail
 *
 * A frame whose page state does not match the access is converted, as KVM
 * does after a nested page fault; an access to a 2 MiB RMP entry in parts
 * splits it (PSMASH).
 */
#include "qemu/osdep.h"
#include "qemu/rcu.h"
#include "cpu.h"
#include "system/upm/compat.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/guest/guest.h"
#include "trace.h"

/*
 * Private use of what is no memory: KVM has nothing to map, and QEMU nothing to
 * convert: kvm_handle_noslot_fault() of Linux 6.12, kvm_convert_memory().
 */
static bool no_memory_ends(bool private)
{
    return private && !snp_guest()->rules.specification;
}

static G_NORETURN void end_guest(CPUX86State *env, hwaddr gpa, uintptr_t ra)
{
    if (ra) {
        cpu_restore_state(env_cpu(env), ra);
    }
    snp_stop(env, "private use of 0x%" HWADDR_PRIx ", where no private memory "
             "is", gpa);
    cpu_loop_exit_noexc(env_cpu(env));
}

static SnpOutcome check(hwaddr gpa, bool private, bool is_write)
{
    SnpFrame frame;

    RCU_READ_LOCK_GUARD();
    if (!snp_frame_find(gpa, &frame)) {
        if (no_memory_ends(private)) {
            return SNP_ACCESS_FAULT;
        }
        return !private && snp_shared_is_mapped(gpa, is_write)
            ? SNP_ACCESS_OK : SNP_ACCESS_MMIO;
    }
    if (snp_frame_is_private(&frame) != private) {
        return SNP_ACCESS_FAULT;
    }
    if (private && !(snp_frame_assign(&frame) & SNP_RMP_VALIDATED)) {
        return SNP_ACCESS_NOT_VALIDATED;
    }
    return SNP_ACCESS_OK;
}

bool snp_guest_address(CPUX86State *env, SnpAccess *access)
{
    if (!snp_stage1(env, access->type, access->mmu_idx, &access->paddr,
                    &access->prot)) {
        return false;
    }
    access->private = access->paddr & snp_cbit_mask();
    access->gpa = access->paddr & ~snp_cbit_mask();
    return true;
}

SnpOutcome snp_guest_access(CPUX86State *env, SnpAccess *access)
{
    if (!(env->hflags & HF_SNP_MASK)) {
        return SNP_ACCESS_OK;
    }
    if (!snp_guest_address(env, access)) {
        return SNP_ACCESS_RESOLVED;
    }
    return check(access->gpa, access->private,
                 access->type == MMU_DATA_STORE);
}

/*
 * An implicit conversion; KVM sees KVM_EXIT_MEMORY_FAULT.  Inside a
 * translation block the instruction starts again; while an exception is
 * being delivered there is none to return to, and delivery goes on.
 */
static void convert(CPUX86State *env, hwaddr gpa, bool to_private,
                    uintptr_t ra)
{
    CPUState *cs = env_cpu(env);

    gpa &= ~(UPM_FRAME_SIZE - 1);
    if (ra) {
        cpu_restore_state(cs, ra);
    }
    trace_snp_implicit(cs->cpu_index, gpa, to_private);
    if (snp_convert(env, gpa, UPM_FRAME_SIZE, to_private, UPM_CAUSE_FAULT)) {
        g_autofree char *reason = g_strdup_printf(
            "implicit conversion of guest frame 0x%" HWADDR_PRIx " to %s "
            "memory failed", gpa, to_private ? "private" : "shared");

        upm_memory_stop_guest(reason);
        cpu_loop_exit_noexc(cs);
    }
    if (ra) {
        cpu_loop_exit_noexc(cs);
    }
}

void snp_guest_fault(CPUX86State *env, const SnpAccess *access, bool is_walk,
                     uintptr_t ra)
{
    SnpFrame frame;

    if (no_memory_ends(access->private) &&
        !snp_frame_find(access->gpa, &frame)) {
        end_guest(env, access->gpa, ra);
    }
    convert(env, access->gpa, access->private, ra);
}

/*
 * The execution loop has an RCU read section, so that what is found here
 * stays until the instruction is over.
 */
bool snp_guest_operand(CPUX86State *env, SnpOperand *operand, uintptr_t ra)
{
    SnpFrame frame;

    if (!snp_frame_find(operand->gpa, &frame)) {
        if (no_memory_ends(true)) {
            end_guest(env, operand->gpa, ra);
        }
        return false;
    }
    if (!snp_frame_is_private(&frame)) {
        convert(env, operand->gpa, true, ra);
        cpu_loop_exit_noexc(env_cpu(env));
    }
    operand->gpa = frame.extent.gpa;
    operand->rmp = snp_frame_assign(&frame);
    operand->entry.host = frame.rmp;
    return true;
}

/* Are there 512 frames of one large page behind a 2 MiB operand? */
static bool is_large(const SnpFrame *frame)
{
    size_t i;

    if (frame->extent.gpa % SNP_PAGE_2M || frame->extent.offset % SNP_PAGE_2M ||
        frame->extent.offset + SNP_PAGE_2M > frame->extent.block->size) {
        return false;
    }
    for (i = 0; i < SNP_FRAMES_PER_2M; i++) {
        if (!(qatomic_read(&frame->rmp[i]) & SNP_RMP_PAGE_2M)) {
            return false;
        }
    }
    return true;
}

bool snp_guest_fit(CPUX86State *env, SnpOperand *operand, bool large,
                   uintptr_t ra)
{
    SnpFrame frame;

    if (!snp_frame_find(operand->gpa, &frame)) {
        return false;
    }
    if (!large) {
        snp_frame_split(&frame);
        return true;
    }
    operand->count = SNP_FRAMES_PER_2M;
    return is_large(&frame);
}

/*
 * A translation of what is validated no more may be in use, as on hardware:
 * the conversion that follows ends it, see snp_mark().
 */
static bool change(uint32_t *entry, uint32_t mask, uint32_t value)
{
    uint32_t clear = mask & ~value;
    /* In this order: another vCPU may be splitting the large page. */
    uint32_t had = qatomic_fetch_and(entry, ~clear);
    uint32_t lacked = ~qatomic_fetch_or(entry, value);

    if (had & clear & SNP_RMP_VALIDATED) {
        qatomic_or(entry, SNP_RMP_STALE);
    }
    return (had & clear) || (lacked & value);
}

bool snp_guest_set(CPUX86State *env, SnpOperand *operand, uint32_t mask,
                   uint32_t value)
{
    uint32_t *entry = operand->entry.host;
    bool changed = false;
    size_t i;

    for (i = 0; i < operand->count; i++) {
        changed |= change(&entry[i], mask, value);
    }
    return changed;
}
