/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which MSRs a guest can ask for by NAE event
 *
 * KVM gives #GP for those that it does not know, where TCG reads zeroes and
 * ignores what is written.  What KVM of Linux 6.12 and QEMU serve together was
 * found by asking for them all (tests/guest/payloads/msr_map.c): TCG may lack
 * what is behind one, but then KVM has little behind it, too.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "standard-headers/asm-x86/kvm_para.h"
#include "tcg/snp/guest/guest.h"

/**
 * MsrRun: MSRs in a row
 * @write_only: reading them is #GP
 */
typedef struct MsrRun {
    uint32_t first, last;
    bool write_only;
} MsrRun;

static const MsrRun served[] = {
    { 0x00000000, 0x00000001 },         /* P5_MC_ADDR, P5_MC_TYPE */
    { 0x00000010, 0x00000012 },         /* TSC, KVM's first two */
    { 0x00000017, 0x00000017 },         /* PLATFORM_ID */
    { 0x0000001b, 0x0000001b },         /* APIC_BASE */
    { 0x0000002a, 0x0000002a },         /* EBL_CR_POWERON */
    { 0x0000002c, 0x0000002c },         /* EBC_FREQUENCY_ID */
    { 0x00000034, 0x00000035 },         /* SMI_COUNT, CORE_THREAD_COUNT */
    { 0x0000003b, 0x0000003b },         /* TSC_ADJUST */
    { 0x00000079, 0x00000079, true },   /* UCODE_WRITE */
    { 0x0000008b, 0x0000008b },         /* UCODE_REV */
    { 0x000000c1, 0x000000c2 },         /* PERFCTR */
    { 0x000000cd, 0x000000ce },         /* FSB_FREQ, PLATFORM_INFO */
    { 0x000000fe, 0x000000fe },         /* MTRRCAP */
    { 0x0000011e, 0x0000011e },         /* BBL_CR_CTL3 */
    { 0x00000140, 0x00000140 },         /* MISC_FEATURES_ENABLES */
    { 0x00000179, 0x0000017b },         /* MCG_CAP, MCG_STATUS, MCG_CTL */
    { 0x00000186, 0x00000187 },         /* EVNTSEL */
    { 0x00000198, 0x00000199 },         /* PERF_STATUS, PERF_CTL */
    { 0x000001a0, 0x000001a0 },         /* MISC_ENABLE */
    { 0x000001fc, 0x000001fc },         /* POWER_CTL */
    { 0x00000200, 0x0000020f },         /* MTRRs */
    { 0x00000250, 0x00000250 },
    { 0x00000258, 0x00000259 },
    { 0x00000268, 0x0000026f },
    { 0x000002ff, 0x000002ff },
    { 0x00000400, 0x00000427 },         /* ten banks of MCA */
    { 0x00000606, 0x00000606 },         /* RAPL */
    { 0x00000611, 0x00000611 },
    { 0x00000619, 0x00000619 },
    { 0x00000639, 0x00000639 },
    { 0x00000641, 0x00000641 },
    { 0x000006e0, 0x000006e0 },         /* TSC_DEADLINE */
    { 0x4b564d00, 0x4b564d07 },         /* KVM's own */
    { 0xc0000103, 0xc0000103 },         /* TSC_AUX */
    { 0xc0010000, 0xc0010007 },         /* EVNTSEL, PERFCTR */
    { 0xc0010010, 0xc0010010 },         /* SYSCFG */
    { 0xc0010015, 0xc0010015 },         /* HWCR */
    { 0xc001001b, 0xc001001b },         /* CLK_CTL */
    { 0xc001001f, 0xc001001f },         /* NB_CFG */
    { 0xc0010020, 0xc0010020, true },   /* PATCH_LOADER */
    { 0xc0010055, 0xc0010055 },         /* INT_PENDING_MSG */
    { 0xc0010058, 0xc0010058 },         /* MMIO_CONF_BASE */
    { 0xc0010112, 0xc0010114 },         /* TSEG_ADDR, TSEG_MASK, VM_CR */
    { 0xc0010115, 0xc0010115, true },   /* IGNNE */
    { 0xc0010117, 0xc0010117 },         /* VM_HSAVE_PA */
    { 0xc0011021, 0xc0011023 },         /* IC_CFG, DC_CFG, TW_CFG */
    { 0xc0011029, 0xc001102a },         /* DE_CFG, BU_CFG2 */
    { 0xc001102c, 0xc001102c },         /* EX_CFG */
};

bool snp_msr_is_served(CPUX86State *env, uint32_t index, bool write)
{
    if (snp_msr_is_direct(index)) {
        return false;
    }
    if (index == MSR_KVM_MIGRATION_CONTROL) {
        return !(env->svm.sev & SVM_SEV_SNP);
    }
    for (size_t i = 0; i < ARRAY_SIZE(served); i++) {
        if (index >= served[i].first && index <= served[i].last) {
            return write || !served[i].write_only;
        }
    }
    return false;
}
