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
#include "exec/page-protection.h"
#include "system/upm/compat.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/guest/entry.h"
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

static G_NORETURN void end_guest(CPUX86State *env, hwaddr gpa)
{
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

/*
 * Reads of private memory without the C-bit are not checked (APM volume 2,
 * 15.36.10): where the hypervisor has mapped a page they find what its key has
 * made of it.  Where it has not there is a nested page fault, and Linux 6.12
 * asks for a conversion, kvm_faultin_pfn().
 */
static bool is_read_of_ciphertext(const SnpAccess *access, uint32_t word)
{
    return !access->private && access->type == MMU_DATA_LOAD &&
           word & SNP_RMP_ASSIGNED;
}

static void read_ciphertext(SnpAccess *access)
{
    access->paddr = snp_guest()->mem.ciphertext.addr |
                    (access->paddr & (UPM_FRAME_SIZE - 1));
    access->prot &= PAGE_READ;
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
    if (is_read_of_ciphertext(access, word)) {
        read_ciphertext(access);
        return SNP_ACCESS_OK;
    }
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

/* An implicit conversion; KVM sees KVM_EXIT_MEMORY_FAULT. */
static void convert(CPUX86State *env, hwaddr gpa, bool to_private)
{
    CPUState *cs = env_cpu(env);

    gpa &= ~(UPM_FRAME_SIZE - 1);
    trace_snp_implicit(cs->cpu_index, gpa, to_private);
    if (snp_convert(env, gpa, UPM_FRAME_SIZE, to_private, UPM_CAUSE_FAULT)) {
        g_autofree char *reason = g_strdup_printf(
            "implicit conversion of guest frame 0x%" HWADDR_PRIx " to %s "
            "memory failed", gpa, to_private ? "private" : "shared");

        snp_stop_guest(reason);
        cpu_loop_exit_noexc(cs);
    }
}

static G_NORETURN void stop(CPUX86State *env, const char *reason)
{
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

/*
 * The VMSA of a vCPU that runs.  Hardware faults, and the hypervisor lets the
 * guest try again, for as long as it takes: sev_handle_rmp_fault() of Linux
 * 6.12.  Nobody else waits meanwhile.
 */
static G_NORETURN void stall(CPUX86State *env, hwaddr gpa)
{
    CPUState *cs = env_cpu(env);

    tell_stall(env, gpa);
    g_usleep(STALL_US);
    cs->exception_index = EXCP_INTERRUPT;
    cpu_loop_exit(cs);
}

/* @gpa is a VMSA in use.  Leaves, or it is not in use any more. */
static void wait_for_page(CPUX86State *env, hwaddr gpa, bool can_restart)
{
    g_autofree char *reason = NULL;

    gpa &= ~(UPM_FRAME_SIZE - 1);
    if (snp_vmsa_is_idle(gpa)) {
        snp_exclusive(env_cpu(env), evict, &gpa);
        return;
    }
    if (can_restart) {
        stall(env, gpa);
    }
    reason = g_strdup_printf("vCPU %d cannot deliver an exception through "
                             "guest frame 0x%" HWADDR_PRIx ", the VMSA of a "
                             "vCPU that runs", env_cpu(env)->cpu_index, gpa);
    stop(env, reason);
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
                            bool is_walk)
{
    g_autofree char *reason = g_strdup_printf(
        "VMPL%d of vCPU %d has no right to %s guest frame 0x%" HWADDR_PRIx,
        env->svm.vmpl, env_cpu(env)->cpu_index, what_it_does(access, is_walk),
        access->gpa & ~(hwaddr)(UPM_FRAME_SIZE - 1));

    stop(env, reason);
}

/*
 * An instruction begins again, and so does the fetch of one, for which env is
 * up to date.  Of what else has no @ra, exceptions that are being delivered,
 * nothing is left to return to: delivery goes on.
 */
static bool can_restart(const SnpAccess *access, uintptr_t ra)
{
    return ra || access->type == MMU_INST_FETCH;
}

void snp_guest_fault(CPUX86State *env, const SnpAccess *access, bool is_walk,
                     uintptr_t ra)
{
    SnpFrame frame;

    /* While its translation block is there for sure */
    if (ra) {
        cpu_restore_state(env_cpu(env), ra);
    }
    if (no_memory_ends(access->private) &&
        !snp_frame_find(access->gpa, &frame)) {
        end_guest(env, access->gpa);
    }
    if (access->bits & SNP_FAULT_VMPL) {
        deny(env, access, is_walk);
    }
    if (access->bits & SNP_FAULT_RMP) {
        wait_for_page(env, access->gpa, can_restart(access, ra));
    } else {
        convert(env, access->gpa, access->private);
    }
    if (can_restart(access, ra)) {
        cpu_loop_exit_noexc(env_cpu(env));
    }
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
            cpu_restore_state(env_cpu(env), ra);
            end_guest(env, operand->gpa);
        }
        return false;
    }
    if (qatomic_read(frame.rmp) & SNP_RMP_SHARED) {
        cpu_restore_state(env_cpu(env), ra);
        convert(env, operand->gpa, true);
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

/* Is a VMSA there that its vCPU leaves as soon as somebody comes? */
static bool find_leaving(const SnpOperand *operand, hwaddr *gpa)
{
    const uint32_t *entry = operand->entry.host;
    size_t i;

    for (i = 0; i < operand->count; i++) {
        *gpa = operand->gpa + (i << UPM_FRAME_BITS);
        if (qatomic_read(&entry[i]) & SNP_RMP_IN_USE &&
            snp_vmsa_is_leaving(*gpa)) {
            return true;
        }
    }
    return false;
}

bool snp_guest_fit(CPUX86State *env, SnpOperand *operand, bool large,
                   uintptr_t ra)
{
    SnpFrame frame;
    hwaddr gpa;

    if (!snp_frame_find(operand->gpa, &frame)) {
        return false;
    }
    if (large && !is_large(&frame)) {
        return false;
    }
    operand->count = large ? SNP_FRAMES_PER_2M : 1;
    if (find_leaving(operand, &gpa)) {
        cpu_restore_state(env_cpu(env), ra);
        wait_for_page(env, gpa, true);
        cpu_loop_exit_noexc(env_cpu(env));
    }
    if (!large) {
        snp_frame_split(&frame);
    }
    return true;
}

static void flush_others(void *opaque)
{
    snp_flush_others(current_cpu);
}

/* As all translations of it, they stay until the guest ends them. */
static void let_flushes_end_walks(void)
{
    CPUState *cs;

    CPU_FOREACH(cs) {
        qatomic_set(&cpu_env(cs)->svm.walks_outdated, true);
    }
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
        result = MAX(result, snp_entry_change(&entry[i], mask, value,
                                              operand->required));
    }
    if (takes_rights) {
        snp_exclusive(env_cpu(env), flush_others, NULL);
        operand->flushed = true;
    } else if (mask & ~value & SNP_RMP_VALIDATED) {
        let_flushes_end_walks();
    }
    return result;
}
