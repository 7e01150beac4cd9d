/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host world: what it keeps of a vCPU, and how it begins
 */
#ifndef TARGET_I386_TCG_SNP_HOST_HOST_H
#define TARGET_I386_TCG_SNP_HOST_HOST_H

#include "hw/i386/snp-host.h"

/* MSR C001_0010, SYSCFG: APM volume 2, 7.10.1, 15.34.2 and 15.36.2 */
#define MSR_SYSCFG              0xc0010010
#define SYSCFG_MFDM             (1ULL << 19)
#define SYSCFG_MEM_ENCRYPT      (1ULL << 23)
#define SYSCFG_SNP_EN           (1ULL << 24)
#define SYSCFG_VMPL_EN          (1ULL << 25)
/* MSR C001_0015, HWCR */
#define MSR_HWCR                0xc0010015
#define HWCR_SMMLOCK            (1ULL << 0)
#define HWCR_TSC_FREQ_SEL       (1ULL << 24)

#define MSR_RMP_BASE            0xc0010132
#define MSR_RMP_END             0xc0010133

/**
 * SnpHostPage: a page that VMRUN has marked as in use
 * @in_use: it is, and the RMP's entry of @spa says so
 */
typedef struct SnpHostPage {
    bool in_use;
    uint64_t spa;
} SnpHostPage;

/**
 * SnpHostVcpu: what a host's vCPU has beyond QEMU's own
 * @syscfg, @hwcr: MSRs.  As after power-on at each reset of the machine; INIT
 *     changes nothing
 * @nested_gpa: what the nested TLB was asked for last, without C-bit
 * @nested_private: and whether an SNP guest has asked with it
 * @nested_outcome: why not, if the RMP was in the way (SnpOutcome)
 * @nested_bits: low and RMP bits of that fault's error code
 * @resolving: for an instruction that names a page, the nested tables are
 *     walked without the RMP check
 * @resolved, @resolved_spa: the outcome of that
 * @event, @msrpm, @iopm: EVENTINJ and where the permission maps lie, as VMRUN
 *     of an encrypted guest has checked them: others may write to the VMCB
 * @vmcb, @vmsa: what #VMEXIT will write to
 *
 * Owned by the vCPU's own thread; the firmware reads MSRs under the BQL, and
 * whoever does DMA reads @syscfg.
 */
struct SnpHostVcpu {
    uint64_t syscfg;
    uint64_t hwcr;
    uint64_t nested_gpa;
    bool nested_private;
    int nested_outcome;
    uint64_t nested_bits;
    bool resolving;
    bool resolved;
    uint64_t resolved_spa;
    uint32_t event;
    uint64_t msrpm;
    uint64_t iopm;
    SnpHostPage vmcb;
    SnpHostPage vmsa;
};

/** snp_host_vcpu: of the vCPU with this cpu_index */
static inline SnpHostVcpu *snp_host_vcpu(SnpHost *host, int cpu_index)
{
    return &host->vcpus[cpu_index];
}

/** snp_host_enter_world: give the machine's processor the host world */
bool snp_host_enter_world(SnpHost *host, Error **errp);

/** snp_host_reset_vcpu: as firmware hands it to the operating system */
void snp_host_reset_vcpu(SnpHostVcpu *vcpu);

#endif
