/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory under KVM: what kvm-all.c and kvm.c call
 *
 * Each call is made for every guest; those without private memory keep
 * QEMU's own answer, which is what a result of false means.
 */
#ifndef ACCEL_KVM_UPM_KVM_H
#define ACCEL_KVM_UPM_KVM_H

#include "exec/hwaddr.h"

struct ArchCPU;
struct KVMState;
struct kvm_run;

/** upm_kvm_init: make KVM the provider of page states */
void upm_kvm_init(void);

/**
 * upm_kvm_check: can KVM keep memory of this VM private?
 *
 * To be called when the VM exists: the system as a whole promises what VMs
 * of other types do not have.
 *
 * Returns: true, or false with @errp naming the capability that is missing.
 */
bool upm_kvm_check(Error **errp);

/**
 * upm_kvm_record: have the guest's KVM_HC_MAP_GPA_RANGE requests recorded
 *
 * For guests whose memory is encrypted in place, see upm_record().  The guest
 * finds other features in CPUID and an MSR more, so this is for who asks for
 * it.  To be called when the VM exists, before any RAM block and any vCPU do.
 *
 * Returns: false where KVM does not pass such requests on, which takes
 * KVM_CAP_EXIT_HYPERCALL.
 */
bool upm_kvm_record(void);

/** UpmKvmFilterMsr: kvm_filter_msr(), have QEMU serve an MSR of the guest */
typedef int UpmKvmFilterMsr(struct KVMState *s, uint32_t msr,
                            bool (*rdmsr)(struct ArchCPU *cpu, uint32_t msr,
                                          uint64_t *value),
                            bool (*wrmsr)(struct ArchCPU *cpu, uint32_t msr,
                                          uint64_t value));

/**
 * upm_kvm_filter_msr: serve MSR_KVM_MIGRATION_CONTROL where the guest's
 * requests are recorded
 *
 * To be called when QEMU has KVM_CAP_X86_USER_SPACE_MSR enabled.
 */
void upm_kvm_filter_msr(struct KVMState *s, UpmKvmFilterMsr *filter);

/**
 * upm_kvm_features: what is added to the features that KVM_CPUID_FEATURES
 * shows to the guest (Linux, Documentation/virt/kvm/x86/cpuid.rst)
 */
uint32_t upm_kvm_features(void);

/**
 * upm_kvm_slot_added: give a new memory slot the page states that its memory
 * has
 * @start: guest-physical address of the slot
 * @host: where the shared half of the slot is mapped
 * @size: bytes
 *
 * Attributes belong to addresses and outlive slots, so those of other memory
 * may be left behind here; a slot that comes back finds its own and costs no
 * ioctl.  Where KVM can not set them, the guest is stopped, or QEMU ends if
 * there is no guest yet.
 *
 * Locking: BQL, and other threads' ioctls inhibited, see upm_kvm_inhibits().
 */
bool upm_kvm_slot_added(hwaddr start, void *host, uint64_t size);

/**
 * upm_kvm_inhibits: must no ioctl be under way while memory slots change?
 *
 * With private memory it must not.  Conversions are ioctls, so that none is
 * between the attributes and the map while a new slot is given its states.
 * And where slots are deleted, KVM waits for everybody who looks at the old
 * ones.  Linux 6.12 lets KVM_PRE_FAULT_MEMORY look at them for as long as the
 * slot is being deleted (kvm_tdp_map_page() in arch/x86/kvm/mmu/mmu.c), and
 * only a signal ends that: both would wait for ever, one of them with the BQL.
 */
bool upm_kvm_inhibits(void);

/**
 * upm_kvm_mem_flags: the flags that KVM takes for a memory slot
 * @flags: those that QEMU would set
 *
 * KVM refuses to log writes to a slot with a guest_memfd, and QEMU ends where
 * a slot is refused.  Who asks for such a log is told so beforehand, see
 * upm_memory_allows_dirty_log().
 */
int upm_kvm_mem_flags(int flags);

/**
 * upm_kvm_set_pre_fault: map pages that became private ahead of their use?
 *
 * By default they are.  To be called before there are vCPUs.
 */
void upm_kvm_set_pre_fault(bool on);

/**
 * upm_kvm_convert: what kvm_convert_memory() does for the callers left, which
 * launch the guest
 * @ret: 0 or a negative errno, where the result is true
 *
 * Returns: false where @start is not RAM with a private half.
 */
bool upm_kvm_convert(hwaddr start, uint64_t size, bool to_private, int *ret);

/**
 * upm_kvm_is_fault: did KVM_RUN return a fault that asks for a conversion?
 * @ret: what KVM_RUN returned, a negative errno
 *
 * KVM leaves KVM_EXIT_MEMORY_FAULT behind for other failures, too; only
 * EFAULT and EHWPOISON make it valid (Linux, Documentation/virt/kvm/api.rst,
 * KVM_EXIT_MEMORY_FAULT).  Of the others the address is reported here.
 */
bool upm_kvm_is_fault(const struct kvm_run *run, int ret);

/**
 * upm_kvm_handle_fault: implicit conversion, for KVM_EXIT_MEMORY_FAULT
 * @error: what KVM_RUN returned; -EHWPOISON is no request but a hardware error
 * @ret: 0 to run the vCPU again, EXCP_INTERRUPT where the guest was stopped,
 *     with a named reason; where the result is true
 */
bool upm_kvm_handle_fault(const struct kvm_run *run, int error, int *ret);

/**
 * upm_kvm_handle_hypercall: explicit conversion, for KVM_HC_MAP_GPA_RANGE
 *
 * Writes @run->hypercall.ret: 0, EINVAL for a request that is refused and has
 * changed nothing, EAGAIN for one that may be repeated.  The errors are
 * negative where the guest finds them in RAX, as those of KVM itself, and
 * positive where KVM makes an answer to a page state change of them.  More
 * than 1 GiB at once is refused.  Where
 * the host has no memory for it, the guest is stopped, too.
 */
bool upm_kvm_handle_hypercall(struct kvm_run *run);

/**
 * upm_kvm_terminated: KVM_SYSTEM_EVENT_SEV_TERM, the guest asked to end
 *
 * Says why, and leaves the rest to upm_memory_guest_panicked().
 */
void upm_kvm_terminated(CPUState *cpu, const struct kvm_run *run);

#endif
