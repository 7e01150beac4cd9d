/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VMSA that a vCPU starts with and that is measured
 *
 * AMD64 APM volume 2 (24593), table 14-2 for the values and table B-4 for
 * their places.  Where SVM or KVM keeps something else than the register's
 * reset value it is said here, for the launch digest depends on every bit.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "sev-vmsa.h"

#define ATTR_CODE   0x9b    /* present, code, readable, accessed */
#define ATTR_DATA   0x93    /* present, data, writable, accessed */
#define ATTR_LDT    0x82    /* present, LDT */
#define ATTR_TSS    0x8b    /* present, busy TSS */

static SevVmsaSegment segment(uint16_t selector, uint16_t attributes,
                              uint64_t base)
{
    return (SevVmsaSegment) {
        .selector = cpu_to_le16(selector),
        .attributes = cpu_to_le16(attributes),
        .limit = cpu_to_le32(0xffff),
        .base = cpu_to_le64(base),
    };
}

static void init_segments(SevVmsa *vmsa, const PspVcpuReset *reset)
{
    vmsa->cs = segment(reset->cs_selector, ATTR_CODE, reset->cs_base);
    vmsa->ds = vmsa->es = vmsa->fs = vmsa->gs = vmsa->ss =
        segment(0, ATTR_DATA, 0);
    vmsa->gdtr = vmsa->idtr = segment(0, 0, 0);
    vmsa->ldtr = segment(0, ATTR_LDT, 0);
    vmsa->tr = segment(0, ATTR_TSS, 0);
}

void psp_vmsa_init(SevVmsa *vmsa, const PspVcpuReset *reset)
{
    memset(vmsa, 0, sizeof(*vmsa));
    init_segments(vmsa, reset);

    /* VMRUN wants SVME; KVM clears CD and NW and wants machine checks. */
    vmsa->efer = cpu_to_le64(1 << 12);
    vmsa->cr0 = cpu_to_le64(1 << 4);
    vmsa->cr4 = cpu_to_le64(1 << 6);
    vmsa->dr6 = cpu_to_le64(0xffff0ff0);
    vmsa->dr7 = cpu_to_le64(0x400);
    vmsa->rflags = cpu_to_le64(2);
    vmsa->rip = cpu_to_le64(reset->rip);
    vmsa->rdx = cpu_to_le64(reset->signature);
    vmsa->g_pat = cpu_to_le64(0x0007040600070406ULL);
    vmsa->sev_features = cpu_to_le64(reset->sev_features);
    vmsa->xcr0 = cpu_to_le64(1);
    vmsa->mxcsr = cpu_to_le32(0x1f80);
    vmsa->x87_fcw = cpu_to_le16(0x37f);
}

void psp_vmsa_without_fpu(SevVmsa *vmsa)
{
    vmsa->mxcsr = 0;
    vmsa->x87_fcw = 0;
}
