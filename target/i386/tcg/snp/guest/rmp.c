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
#include "qemu/error-report.h"
#include "qemu/rcu.h"
#include "qemu/timer.h"
#include "cpu.h"
#include "system/upm/compat.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/guest/guest.h"
#include "trace.h"

/* What a vCPU that waits for a page does not take from others */
#define STALL_US 100

/* Of VMPL 1 to 3 */
#define ALL_PERMS 0xffffff00U

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

static unsigned perm_of(uint32_t word, unsigned vmpl)
{
    return (word >> SNP_RMP_PERM_SHIFT(vmpl)) & 0xff;
}

static SnpOutcome check_vmpl(SnpAccess *access, uint32_t word, unsigned vmpl)
{
    bool user = snp_access_is_user(access);

    return snp_check_vmpl(access, perm_of(word, vmpl), user, !user);
}

static SnpOutcome check(SnpAccess *access, unsigned vmpl)
{
    bool is_write = access->type == MMU_DATA_STORE;
    hwaddr gpa = access->gpa;
    bool private = access->private;
    SnpFrame frame;
    uint32_t word;

    RCU_READ_LOCK_GUARD();
    if (!snp_frame_find(gpa, &frame)) {
        if (no_memory_ends(private)) {
            return SNP_ACCESS_FAULT;
        }
        return !private && snp_shared_is_mapped(gpa, is_write)
            ? SNP_ACCESS_OK : SNP_ACCESS_MMIO;
    }
    /* All that there is to know, in one load */
    word = qatomic_read(frame.rmp);
    if (!(word & SNP_RMP_SHARED) != private) {
        return SNP_ACCESS_FAULT;
    }
    if (!private) {
        return SNP_ACCESS_OK;
    }
    if (word & SNP_RMP_IN_USE) {
        access->bits = SNP_FAULT_RMP;
        return SNP_ACCESS_FAULT;
    }
    if (!(word & SNP_RMP_VALIDATED)) {
        snp_frame_assign(&frame);
        return SNP_ACCESS_NOT_VALIDATED;
    }
    /* VMPL0 has all permissions. */
    return vmpl ? check_vmpl(access, word, vmpl) : SNP_ACCESS_OK;
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
    access->bits = 0;
    return check(access, env->svm.vmpl);
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

        snp_stop_guest(reason);
        cpu_loop_exit_noexc(cs);
    }
    if (ra) {
        cpu_loop_exit_noexc(cs);
    }
}

static G_NORETURN void stop(CPUX86State *env, uintptr_t ra, const char *reason)
{
    if (ra) {
        cpu_restore_state(env_cpu(env), ra);
    }
    snp_stop_guest(reason);
    cpu_loop_exit_noexc(env_cpu(env));
}

/* Of a guest that waits for what never comes its owner should know. */
static void tell_stall(CPUX86State *env, hwaddr gpa)
{
    SnpVcpu *vcpu = snp_vcpu(env);
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);

    if (vcpu->stalled_at != gpa || !vcpu->stalled_since) {
        trace_snp_stalled(env_cpu(env)->cpu_index, gpa);
        vcpu->stalled_at = gpa;
        vcpu->stalled_since = now;
    } else if (now - vcpu->stalled_since > NANOSECONDS_PER_SECOND) {
        warn_report_once("SEV-SNP: vCPU %d waits for guest frame 0x%"
                         HWADDR_PRIx ", which is the VMSA of a vCPU that runs",
                         env_cpu(env)->cpu_index, gpa);
    }
}

static void evict(void *opaque)
{
    snp_vmsa_evict(*(hwaddr *)opaque);
}

/* As convert() does it */
static void make_room(CPUX86State *env, hwaddr gpa, uintptr_t ra)
{
    CPUState *cs = env_cpu(env);

    if (ra) {
        cpu_restore_state(cs, ra);
    }
    snp_exclusive(cs, evict, &gpa);
    if (ra) {
        cpu_loop_exit_noexc(cs);
    }
}

/*
 * The VMSA of a vCPU that runs.  Hardware faults, and the hypervisor lets the
 * guest try again, for as long as it takes: sev_handle_rmp_fault() of Linux
 * 6.12.  Nobody else waits meanwhile.
 */
static void stall(CPUX86State *env, hwaddr gpa, uintptr_t ra)
{
    CPUState *cs = env_cpu(env);

    gpa &= ~(UPM_FRAME_SIZE - 1);
    if (snp_vmsa_is_idle(gpa)) {
        make_room(env, gpa, ra);
        return;
    }
    if (!ra) {
        g_autofree char *reason = g_strdup_printf(
            "vCPU %d cannot deliver an exception through guest frame 0x%"
            HWADDR_PRIx ", the VMSA of a vCPU that runs", cs->cpu_index, gpa);

        stop(env, 0, reason);
    }
    cpu_restore_state(cs, ra);
    tell_stall(env, gpa);
    g_usleep(STALL_US);
    cs->exception_index = EXCP_INTERRUPT;
    cpu_loop_exit(cs);
}

static const char *what_it_does(const SnpAccess *access, bool is_walk)
{
    if (is_walk) {
        return "walk the page table in";
    }
    switch (access->type) {
    case MMU_DATA_STORE:
        return "write to";
    case MMU_INST_FETCH:
        return snp_access_is_user(access) ? "execute at CPL 3"
                                          : "execute at CPL 0 to 2";
    default:
        return "read";
    }
}

/*
 * A nested page fault with bit 36.  KVM lets the guest try again for ever, as
 * for any that it knows nothing to do about; a guest that is over says more.
 */
static G_NORETURN void deny(CPUX86State *env, const SnpAccess *access,
                            bool is_walk, uintptr_t ra)
{
    g_autofree char *reason = g_strdup_printf(
        "VMPL%d of vCPU %d has no right to %s guest frame 0x%" HWADDR_PRIx,
        env->svm.vmpl, env_cpu(env)->cpu_index, what_it_does(access, is_walk),
        access->gpa & ~(hwaddr)(UPM_FRAME_SIZE - 1));

    stop(env, ra, reason);
}

void snp_guest_fault(CPUX86State *env, const SnpAccess *access, bool is_walk,
                     uintptr_t ra)
{
    SnpFrame frame;

    if (no_memory_ends(access->private) &&
        !snp_frame_find(access->gpa, &frame)) {
        end_guest(env, access->gpa, ra);
    }
    if (access->bits & SNP_FAULT_VMPL) {
        deny(env, access, is_walk, ra);
    }
    if (access->bits & SNP_FAULT_RMP) {
        stall(env, access->gpa, ra);
        return;
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
    if (qatomic_read(frame.rmp) & SNP_RMP_SHARED) {
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

static bool is_in_use(const SnpOperand *operand)
{
    const uint32_t *entry = operand->entry.host;
    size_t i;

    for (i = 0; i < operand->count; i++) {
        if (qatomic_read(&entry[i]) & SNP_RMP_IN_USE) {
            return true;
        }
    }
    return false;
}

bool snp_guest_fit(CPUX86State *env, SnpOperand *operand, bool large,
                   uintptr_t ra)
{
    SnpFrame frame;

    if (is_in_use(operand) && snp_vmsa_is_leaving(operand->gpa)) {
        stall(env, operand->gpa, ra);
    }
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
static SnpChange change(uint32_t *entry, uint32_t mask, uint32_t value)
{
    uint32_t word = qatomic_read(entry), old, new;

    /* Meanwhile a vCPU may enter it, or split the large page. */
    do {
        old = word;
        new = (old & ~mask) | value;
        if (old & SNP_RMP_IN_USE) {
            return SNP_IN_USE;
        }
        if (old == new) {
            return SNP_UNCHANGED;
        }
        if (old & ~new & SNP_RMP_VALIDATED) {
            new |= SNP_RMP_STALE;
        }
        word = qatomic_cmpxchg(entry, old, new);
    } while (word != old);
    return SNP_CHANGED;
}

static void flush_others(void *opaque)
{
    snp_flush_others(current_cpu);
}

SnpChange snp_guest_set(CPUX86State *env, SnpOperand *operand, uint32_t mask,
                        uint32_t value)
{
    uint32_t *entry = operand->entry.host;
    SnpChange result = SNP_UNCHANGED;
    bool takes_rights = false;
    size_t i;

    if (is_in_use(operand)) {
        return SNP_IN_USE;
    }
    for (i = 0; i < operand->count; i++) {
        takes_rights |= qatomic_read(&entry[i]) & mask & ~value & ALL_PERMS;
        result = MAX(result, change(&entry[i], mask, value));
    }
    if (takes_rights) {
        snp_exclusive(env_cpu(env), flush_others, NULL);
        operand->flushed = true;
    }
    return result;
}
