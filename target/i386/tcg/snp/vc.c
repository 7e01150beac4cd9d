/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What becomes a #VC: intercepted instructions and nested page faults
 *
 * The intercepts are those that KVM sets for an SEV-ES guest and that are
 * not automatic exits (APM volume 2, 15.35.5), no others.
 */
#include "qemu/osdep.h"
#include "qemu/rcu.h"
#include "cpu.h"
#include "exec/page-protection.h"
#include "system/upm/compat.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/snp.h"
#include "trace.h"

static G_NORETURN void raise_vc(CPUX86State *env, int code, uintptr_t ra)
{
    trace_snp_vc(env_cpu(env)->cpu_index, code);
    raise_exception_err_ra(env, EXCP1D_VC, code, ra);
}

/*
 * Instructions
 */

bool snp_msr_is_direct(uint32_t index)
{
    switch (index) {
    case MSR_SEV_ES_GHCB:
    case MSR_SEV_STATUS:
    case MSR_EFER:
    case MSR_PAT:
    case MSR_STAR:
    case MSR_LSTAR:
    case MSR_CSTAR:
    case MSR_FMASK:
    case MSR_FSBASE:
    case MSR_GSBASE:
    case MSR_KERNELGSBASE:
    case MSR_IA32_SYSENTER_CS:
    case MSR_IA32_SYSENTER_ESP:
    case MSR_IA32_SYSENTER_EIP:
    case MSR_TSC_AUX:
    case MSR_IA32_XSS:
        return true;
    default:
        return false;
    }
}

static void intercept_exception(CPUX86State *env, int vector, int error_code)
{
    if (!snp_vcpu(env)->serving) {
        return;
    }
    snp_serve_exception(env, vector, error_code);
    cpu_loop_exit_noexc(env_cpu(env));
}

void snp_intercept(CPUX86State *env, uint32_t type, uint64_t param,
                   uintptr_t retaddr)
{
    if (type >= SVM_EXIT_EXCP_BASE && type < SVM_EXIT_EXCP_BASE + 32) {
        intercept_exception(env, type - SVM_EXIT_EXCP_BASE, param);
        return;
    }
    if (snp_vcpu(env)->serving) {
        return;
    }
    switch (type) {
    case SVM_EXIT_MSR:
        if (snp_msr_is_direct(env->regs[R_ECX])) {
            return;
        }
        break;
    case SVM_EXIT_READ_DR0 + 7:
    case SVM_EXIT_WRITE_DR0 + 7:
    case SVM_EXIT_CPUID:
    case SVM_EXIT_INVD:
    case SVM_EXIT_WBINVD:
    case SVM_EXIT_RDPMC:
    case SVM_EXIT_MONITOR:
    case SVM_EXIT_MWAIT:
    case SVM_EXIT_VMMCALL:
        break;
    case SVM_EXIT_VMRUN:
    case SVM_EXIT_VMLOAD:
    case SVM_EXIT_VMSAVE:
    case SVM_EXIT_STGI:
    case SVM_EXIT_CLGI:
    case SVM_EXIT_SKINIT:
    case SVM_EXIT_INVLPGA:
        /* No nested virtualization below an encrypted guest */
        raise_exception_ra(env, EXCP06_ILLOP, retaddr);
    default:
        return;
    }
    raise_vc(env, type, retaddr);
}

void snp_intercept_io(CPUX86State *env, uintptr_t retaddr)
{
    raise_vc(env, SVM_EXIT_IOIO, retaddr);
}

void snp_no_vmexit(CPUX86State *env, uintptr_t retaddr)
{
    raise_exception_err_ra(env, EXCP0D_GPF, 0, retaddr);
}

bool snp_rdmsr(CPUX86State *env, uint32_t index, uint64_t *value)
{
    if (!snp_active()) {
        return false;
    }
    switch (index) {
    case MSR_SEV_ES_GHCB:
        *value = snp_ghcb_msr_read(env);
        return true;
    case MSR_SEV_STATUS:
        /* SEV, SEV-ES and SEV-SNP, APM volume 2, 15.34.10 */
        *value = 7;
        return true;
    default:
        return false;
    }
}

bool snp_wrmsr(CPUX86State *env, uint32_t index, uint64_t value,
               uintptr_t retaddr)
{
    if (!snp_active()) {
        return false;
    }
    switch (index) {
    case MSR_SEV_ES_GHCB:
        snp_ghcb_msr_write(env, value);
        return true;
    case MSR_SEV_STATUS:
        raise_exception_err_ra(env, EXCP0D_GPF, 0, retaddr);
    default:
        return false;
    }
}

/*
 * Memory
 */

/*
 * An implicit conversion; KVM sees KVM_EXIT_MEMORY_FAULT.  Inside a
 * translation block the instruction starts again; while an exception is
 * being delivered there is none to return to, and delivery goes on.
 */
static void convert_for_access(CPUX86State *env, hwaddr gpa, bool to_private,
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

void snp_convert_and_retry(CPUX86State *env, hwaddr gpa, bool to_private,
                           uintptr_t ra)
{
    convert_for_access(env, gpa, to_private, ra);
    cpu_loop_exit_noexc(env_cpu(env));
}

/* Memory that a vCPU maps without an exit, like an ordinary memslot */
static bool is_memslot(hwaddr gpa, bool is_write)
{
    MemoryRegion *mr;
    hwaddr xlat, len = 1;

    RCU_READ_LOCK_GUARD();
    mr = address_space_translate(&address_space_memory, gpa, &xlat, &len,
                                 is_write, MEMTXATTRS_UNSPECIFIED);
    return memory_access_is_direct(mr, is_write, MEMTXATTRS_UNSPECIFIED);
}

typedef enum Access {
    ACCESS_OK,
    ACCESS_MMIO,
    ACCESS_NOT_VALIDATED,
    ACCESS_CONVERT,
} Access;

static Access check_access(hwaddr gpa, bool private, bool is_write)
{
    SnpFrame frame;

    RCU_READ_LOCK_GUARD();
    if (!snp_frame_find(gpa, &frame)) {
        return !private && is_memslot(gpa, is_write) ? ACCESS_OK
                                                     : ACCESS_MMIO;
    }
    if (snp_frame_is_private(&frame) != private) {
        return ACCESS_CONVERT;
    }
    if (private && !(snp_frame_assign(&frame) & SNP_RMP_VALIDATED)) {
        return ACCESS_NOT_VALIDATED;
    }
    return ACCESS_OK;
}

/*
 * Instruction fetches and table walks are always private, and so is
 * everything outside long mode and PAE (APM volume 2, 15.34.5).
 */
static bool apply_cbit(CPUX86State *env, MMUAccessType access_type,
                       int mmu_idx, hwaddr *paddr, int *prot)
{
    if (*paddr & snp_cbit_mask()) {
        return true;
    }
    if (mmu_idx != MMU_PHYS_IDX && env->cr[0] & CR0_PG_MASK &&
        env->cr[4] & CR4_PAE_MASK) {
        if (access_type != MMU_INST_FETCH) {
            *prot &= ~PAGE_EXEC;
            return false;
        }
        *prot &= PAGE_EXEC;
    }
    *paddr |= snp_cbit_mask();
    return true;
}

bool snp_tlb_fill(CPUX86State *env, MMUAccessType access_type, int mmu_idx,
                  bool probe, uintptr_t retaddr, hwaddr *paddr, int *prot)
{
    SnpVcpu *vcpu;
    bool private;
    hwaddr gpa;

    if (!(env->hflags & HF_SNP_MASK)) {
        return true;
    }
    vcpu = snp_vcpu(env);
    private = apply_cbit(env, access_type, mmu_idx, paddr, prot);
    if (vcpu->resolving && mmu_idx != MMU_PHYS_IDX) {
        vcpu->resolved = true;
        vcpu->resolved_paddr = *paddr;
        return false;
    }
    gpa = *paddr & ~snp_cbit_mask();
    for (;;) {
        Access access = check_access(gpa, private,
                                     access_type == MMU_DATA_STORE);

        if (access == ACCESS_OK) {
            return true;
        }
        if (probe) {
            vcpu->walk_faulted = mmu_idx == MMU_PHYS_IDX;
            vcpu->walk_fault_gpa = gpa;
            return false;
        }
        if (access == ACCESS_CONVERT) {
            convert_for_access(env, gpa, private, retaddr);
            continue;
        }
        raise_vc(env, access == ACCESS_MMIO ? SNP_EXIT_NPF_MMIO
                                            : SNP_EXIT_NPF_NOT_VALIDATED,
                 retaddr);
    }
}

bool snp_walk_faulted(CPUX86State *env)
{
    return env->hflags & HF_SNP_MASK && snp_vcpu(env)->walk_faulted;
}

void snp_walk_fault(CPUX86State *env, bool probe, uintptr_t retaddr)
{
    hwaddr gpa;

    if (probe || !snp_walk_faulted(env)) {
        return;
    }
    gpa = snp_vcpu(env)->walk_fault_gpa;
    snp_vcpu(env)->walk_faulted = false;
    switch (check_access(gpa, true, true)) {
    case ACCESS_MMIO:
        raise_vc(env, SNP_EXIT_NPF_MMIO, retaddr);
    case ACCESS_CONVERT:
        convert_for_access(env, gpa, true, retaddr);
        /* fall through */
    default:
        raise_vc(env, SNP_EXIT_NPF_NOT_VALIDATED, retaddr);
    }
}
