/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory under KVM: KVM_HC_MAP_GPA_RANGE, its arguments and
 * its answer (Linux, Documentation/virt/kvm/x86/hypercalls.rst)
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "standard-headers/asm-x86/kvm_para.h"
#include "standard-headers/linux/kvm_para.h"
#include "system/cpus.h"
#include "internal.h"

/* Bits 0-3 of the third argument */
#define MAP_GPA_PAGE_SIZE 0xf

/*
 * The page size is a hint, and not always true: KVM leaves it at 2 MiB when it
 * goes on with the rest of a page state change.
 */
const char *upm_kvm_decode_map_gpa(const struct kvm_run *run, MapGpa *request)
{
    uint64_t gpa = run->hypercall.args[0];
    uint64_t pages = run->hypercall.args[1];
    uint64_t attributes = run->hypercall.args[2];
    uint64_t page_size = attributes & MAP_GPA_PAGE_SIZE;

    if (attributes & ~(uint64_t)(MAP_GPA_PAGE_SIZE |
                                 KVM_MAP_GPA_RANGE_ENCRYPTED)) {
        return "unknown attributes";
    }
    if (page_size != KVM_MAP_GPA_RANGE_PAGE_SZ_4K &&
        page_size != KVM_MAP_GPA_RANGE_PAGE_SZ_2M &&
        page_size != KVM_MAP_GPA_RANGE_PAGE_SZ_1G) {
        return "unknown page size";
    }
    if (pages > UINT64_MAX >> UPM_FRAME_BITS) {
        return "too many pages";
    }
    *request = (MapGpa) {
        .gpa = gpa,
        .size = pages << UPM_FRAME_BITS,
        .to_private = attributes & KVM_MAP_GPA_RANGE_ENCRYPTED,
    };
    return NULL;
}

/*
 * KVM gives hypercall.ret to the guest as it is where hypercalls are answered
 * in RAX: zero or a negative errno, as KVM itself answers (Linux,
 * Documentation/virt/kvm/x86/hypercalls.rst; complete_hypercall_exit() in
 * arch/x86/kvm/x86.c).  Where registers are encrypted, and so can not be reset
 * either, it makes an answer of the GHCB protocol of it, and takes 0, EINVAL
 * or EAGAIN and nothing else (snp_complete_psc_msr() and
 * snp_complete_one_psc() in arch/x86/kvm/svm/sev.c).
 */
uint64_t upm_kvm_answer(int error)
{
    return cpus_are_resettable() ? -(int64_t)error : error;
}
