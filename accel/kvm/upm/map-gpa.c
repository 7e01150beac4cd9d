/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory under KVM: KVM_HC_MAP_GPA_RANGE, its arguments and
 * its answer (Linux, Documentation/virt/kvm/x86/hypercalls.rst)
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "qemu/units.h"
#include "standard-headers/asm-x86/kvm_para.h"
#include "standard-headers/linux/kvm_para.h"
#include "system/cpus.h"
#include "internal.h"

/*
 * The vCPU cannot be stopped before it has the answer to a VMMCALL, so there
 * is a bound to what it may ask for.  Page state changes never ask for more
 * than 253 pages of 2 MiB.  Where requests are only recorded they cost no
 * time, and Linux tells all of its memory at once.
 */
#define MAP_GPA_LARGEST (1 * GiB)

const char *upm_kvm_decode_map_gpa(const struct kvm_run *run, MapGpa *request)
{
    const char *wrong = upm_decode_map_gpa(run->hypercall.args[0],
                                           run->hypercall.args[1],
                                           run->hypercall.args[2], request);

    if (!wrong && upm_kvm.in_use && request->size > MAP_GPA_LARGEST) {
        wrong = "more than 1 GiB at once";
    }
    return wrong;
}

static bool has_encrypted_registers(void)
{
    /* Under KVM vCPUs can be reset unless their state is encrypted. */
    return !cpus_are_resettable();
}

/*
 * SEV-SNP guests alone have page state changes, and of those KVM sets no flags
 * (snp_begin_psc_msr() and snp_begin_psc() in arch/x86/kvm/svm/sev.c, Linux
 * 6.12 and 7.3).  Where registers are encrypted it takes each VMMCALL for one
 * of 64 bits and says so (is_64_bit_hypercall() in arch/x86/kvm/x86.h); where
 * they are not there are no page state changes.
 */
bool upm_kvm_is_page_state_change(const struct kvm_run *run)
{
    return !(run->hypercall.flags & KVM_EXIT_HYPERCALL_LONG_MODE) &&
           has_encrypted_registers();
}

/*
 * What a VMMCALL made the guest finds in RAX: zero or a negative errno, as KVM
 * itself answers; KVM cuts it to 32 bits for a guest that is not in 64-bit
 * mode (complete_hypercall_exit() in arch/x86/kvm/x86.c).  Of a page state
 * change KVM makes an answer of the GHCB protocol, and takes 0, EINVAL or
 * EAGAIN and nothing else (snp_complete_psc_msr() and snp_complete_one_psc()).
 *
 * The flags of a VMMCALL would be found with the next page state change.
 */
void upm_kvm_answer(struct kvm_run *run, int error)
{
    bool is_errno = upm_kvm_is_page_state_change(run);

    run->hypercall.ret = is_errno ? error : -(int64_t)error;
    run->hypercall.flags = 0;
}
