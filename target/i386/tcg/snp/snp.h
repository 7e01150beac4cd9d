/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An emulated SEV-SNP processor under TCG
 *
 * What the files of this folder offer each other.  What QEMU's own files
 * call is in snp-hooks.h.
 */
#ifndef TARGET_I386_TCG_SNP_H
#define TARGET_I386_TCG_SNP_H

#include "cpu.h"
#include "system/upm/host.h"
#include "system/upm/provider.h"
#include "tcg/snp/snp-hooks.h"

/* Exit codes and #VC error codes, APM volume 2, appendix C */
#define SNP_EXIT_NPF_MMIO           0x400
#define SNP_EXIT_NPF_NOT_VALIDATED  0x404

#define SNP_NO_GHCB UINT64_MAX
#define SNP_NO_VMSA UINT64_MAX

typedef enum SnpResetHold {
    SNP_RESET_HOLD_NONE,
    SNP_RESET_HOLD_MSR,
    SNP_RESET_HOLD_NAE,
} SnpResetHold;

/*
 * What INIT and SIPI find.  As a reset leaves it, the boot processor runs
 * and the others wait for INIT.  OFFLINE is a vCPU without a usable VMSA.
 */
typedef enum SnpRunState {
    SNP_RUN_RESET,
    SNP_RUN_WAIT_SIPI,
    SNP_RUN_STARTED,
    SNP_RUN_OFFLINE,
} SnpRunState;

typedef struct SnpNae SnpNae;

/**
 * SnpVcpu: what the hypervisor side knows of one vCPU
 * @ghcb_msr: value of MSR C001_0130
 * @ghcb_gpa: the registered GHCB, SNP_NO_GHCB before; survives AP creation
 * @serving: an NAE event is being served on behalf of this vCPU; an
 *     exception raised meanwhile belongs into its GHCB
 * @nae: that event
 * @reset_hold: waits in an AP reset hold, by MSR or by NAE event
 * @hold_rip: where the hold continues; the vCPU that is elsewhere has left it
 * @run_state: what INIT and SIPI find
 * @first_sipi_done: has left the state that the launch gave it
 * @vmsa_pending: AP creation has named another VMSA (BQL)
 * @vmsa_on_init: to be loaded by an INIT, not at once (BQL)
 * @vmsa_gpa: which one, SNP_NO_VMSA to go offline (BQL)
 * @resetting: this vCPU is being reset to load a VMSA
 * @walk_faulted: a page table of the last walk could not be read
 * @walk_fault_gpa: where it lies
 * @resolving: translate only, for an instruction that names a page
 * @resolved, @resolved_paddr: the outcome of that, with the C-bit
 * @flush_queued: a TLB flush is on its way to this vCPU (atomic)
 */
typedef struct SnpVcpu {
    uint64_t ghcb_msr;
    uint64_t ghcb_gpa;
    bool serving;
    SnpNae *nae;
    SnpResetHold reset_hold;
    uint64_t hold_rip;
    SnpRunState run_state;
    bool first_sipi_done;
    bool vmsa_pending;
    bool vmsa_on_init;
    uint64_t vmsa_gpa;
    bool resetting;
    bool walk_faulted;
    hwaddr walk_fault_gpa;
    bool resolving;
    bool resolved;
    hwaddr resolved_paddr;
    bool flush_queued;
} SnpVcpu;

/** snp_vcpu: never NULL on an SNP guest; owned by the vCPU's thread */
SnpVcpu *snp_vcpu(CPUX86State *env);

/** snp_cbit_mask: the C-bit as a mask of physical address bits */
uint64_t snp_cbit_mask(void);

/** snp_sev_features: SEV_FEATURES of every VMSA, APM table B-4 offset 3B0h */
uint64_t snp_sev_features(void);

/**
 * snp_terminate: the guest is over, for a named reason; QEMU is not
 *
 * For requests to terminate and for states the architecture calls a
 * shutdown.  May be called from a vCPU thread, with or without the BQL.
 */
void G_GNUC_PRINTF(2, 3) snp_terminate(CPUX86State *env, const char *fmt, ...);

/**
 * snp_cpuid: what CPUID says to this guest, as KVM would filter it
 */
void snp_cpuid(CPUX86State *env, uint32_t leaf, uint32_t subleaf,
               uint32_t *eax, uint32_t *ebx, uint32_t *ecx, uint32_t *edx);

/*
 * Memory: memory.c, rmp.c
 */

/* An RMP entry, APM volume 2, 15.36.3; a clear one is the hypervisor's. */
#define SNP_RMP_ASSIGNED    (1U << 0)
#define SNP_RMP_VALIDATED   (1U << 1)
#define SNP_RMP_PAGE_2M     (1U << 2)
#define SNP_RMP_VMSA        (1U << 3)
#define SNP_RMP_IMMUTABLE   (1U << 4)
/* Permissions of VMPL 1 to 3, a byte each; VMPL0 has all, always. */
#define SNP_RMP_PERM_SHIFT(vmpl) ((vmpl) * 8)
#define SNP_VMPLS 4

/**
 * SnpFrame: a guest frame that has a private half
 * @extent: its place; size is one frame
 * @rmp: its RMP entry
 * @private_host: host address of its private half
 *
 * Valid in the RCU read section in which it was found.
 */
typedef struct SnpFrame {
    UpmExtent extent;
    uint32_t *rmp;
    uint8_t *private_host;
} SnpFrame;

/**
 * snp_frame_find: the frame at a guest-physical address without C-bit
 *
 * Returns: false where there is no RAM with a private half.  Locking: the
 * caller is in an RCU read section.
 */
bool snp_frame_find(hwaddr gpa, SnpFrame *frame);

/** snp_frame_is_private: the frame's page state */
static inline bool snp_frame_is_private(const SnpFrame *frame)
{
    return upm_block_is_private(frame->extent.block, frame->extent.offset);
}

/**
 * snp_frame_assign: what the hypervisor does when the guest first touches a
 * private frame
 *
 * Assigns the whole 2 MiB around it where that is untouched.  Returns the
 * RMP entry.
 */
uint32_t snp_frame_assign(const SnpFrame *frame);

/** snp_frame_split: PSMASH of the 2 MiB page around a frame, if it is one */
void snp_frame_split(const SnpFrame *frame);

/**
 * snp_convert_and_retry: an implicit conversion, then the same instruction
 */
G_NORETURN void snp_convert_and_retry(CPUX86State *env, hwaddr gpa,
                                      bool to_private, uintptr_t ra);

/** snp_memory_init: prepare the private half of the physical address space */
void snp_memory_init(uint32_t cbitpos);

/** snp_memory_root: what a vCPU's physical addresses resolve to */
MemoryRegion *snp_memory_root(void);

/**
 * snp_exclusive: run @fn while no vCPU runs guest code
 *
 * For a vCPU thread in the middle of an instruction.  The translation block
 * that called must not be returned to: restore the state first and end with
 * cpu_loop_exit().
 */
void snp_exclusive(CPUState *cs, void (*fn)(void *opaque), void *opaque);

/**
 * snp_flush_others: make other vCPUs forget their translations before they
 * run guest code again; in an exclusive section
 */
void snp_flush_others(CPUState *cs);

/**
 * snp_convert: upm_convert() in an exclusive section, from a vCPU thread
 *
 * Returns: 0, or the negative errno of upm_convert(), whose message has
 * been traced.
 */
int snp_convert(CPUX86State *env, hwaddr gpa, uint64_t size, bool to_private,
                UpmCause cause);

/**
 * snp_rmp_read: RMP entry of the frame at @gpa
 *
 * Returns: false where @gpa is not RAM with a private half.
 */
bool snp_rmp_read(hwaddr gpa, uint32_t *entry);

/**
 * snp_private_ptr: host address of a private frame, for the firmware and
 * for reading a VMSA
 *
 * Returns: NULL unless the page state is private and the RMP entry has all
 * of @rmp_flags.  Locking: the caller is in an RCU read section or holds the
 * BQL.
 */
void *snp_private_ptr(hwaddr gpa, uint32_t rmp_flags);

/**
 * SnpShared: guest RAM as the hypervisor sees it, in its shared half
 * @host: where it is mapped
 * @mr, @offset: its region, see snp_shared_dirty()
 *
 * Valid in the RCU read section in which it was found.  The guest may write
 * it at any time.
 */
typedef struct SnpShared {
    uint8_t *host;
    MemoryRegion *mr;
    hwaddr offset;
} SnpShared;

/**
 * snp_shared_find: the RAM at a guest-physical address
 * @size: in bytes
 * @is_write: ROM will not do
 *
 * Devices are not to be touched in passing.
 *
 * Returns: false where not all of it is RAM.  Locking: the caller is in an
 * RCU read section.
 */
bool snp_shared_find(hwaddr gpa, uint64_t size, bool is_write,
                     SnpShared *shared);

/** snp_shared_dirty: the hypervisor has written the first @size bytes */
void snp_shared_dirty(const SnpShared *shared, uint64_t size);

/**
 * snp_launch_page: assign a private frame to the guest for the firmware's
 * LAUNCH_UPDATE, and return its host address
 *
 * The frame is immutable until snp_launch_page_done(): no conversion can take
 * it away (state Pre-Guest, 56860 section 5).
 *
 * Returns: NULL where the page state is not private (the caller converts
 * first) or the page is assigned already (populated before).
 */
void *snp_launch_page(hwaddr gpa);

/** snp_launch_page_done: the frame is the guest's, validated */
void snp_launch_page_done(hwaddr gpa);

/**
 * snp_msr_is_direct: an MSR that the guest reaches by itself
 *
 * It lives in the VMSA, so the hypervisor can serve it to nobody.
 */
bool snp_msr_is_direct(uint32_t index);

/*
 * Hypervisor side: ghcb.c, guest-request.c, vmsa.c
 */

/**
 * snp_vmgexit: serve a VMGEXIT
 *
 * Called in the vCPU's thread from guest code, without the BQL, with all of
 * env up to date and env->eip behind the instruction.  The caller leaves the
 * translation block afterwards.  Does not return where the guest asked for
 * an AP reset hold.
 */
void snp_vmgexit(CPUX86State *env);

/** snp_ghcb_msr_reset_value: MSR C001_0130 after a reset */
uint64_t snp_ghcb_msr_reset_value(void);

/** snp_ghcb_msr_read, snp_ghcb_msr_write: MSR C001_0130, never intercepted */
uint64_t snp_ghcb_msr_read(CPUX86State *env);
void snp_ghcb_msr_write(CPUX86State *env, uint64_t value);

/**
 * snp_serve_exception: an exception was raised while serving an NAE event
 *
 * Finishes the event with the exception as the one to inject (SW_EXITINFO1 =
 * 1, SW_EXITINFO2 = EVENTINJ) and puts the guest's registers back.  As with
 * KVM, EVENTINJ carries no error code.  The caller leaves the translation
 * block.
 */
void snp_serve_exception(CPUX86State *env, int vector, int error_code);

/**
 * snp_reset_hold_release: a SIPI ends the AP reset hold of this vCPU, if it
 * still is in one
 *
 * In the vCPU's thread, in the execution loop.
 */
void snp_reset_hold_release(CPUX86State *env);

/**
 * snp_vmsa_load: set all of a vCPU's state from a VMSA page
 * @page: SEV_VMSA_PAGE_SIZE bytes in the layout of APM table B-4; not
 *     written by others meanwhile
 *
 * Makes the checks that VMRUN makes (APM volume 2, 15.5.1 and 15.35.8).  For
 * a vCPU that was just reset, in its thread or before it runs.
 *
 * Returns: NULL, or why VMRUN would fail; nothing has changed then.
 */
const char *snp_vmsa_load(CPUX86State *env, const void *page);

/**
 * SnpGuestRequest: what a guest gives with SNP Guest Request
 * @request, @response: guest-physical addresses of the messages
 * @extended: SNP Extended Guest Request
 * @has_data: @data and @pages were given
 * @data: guest-physical address of the room for certificates
 * @pages: its size; set to what is needed where that is more
 */
typedef struct SnpGuestRequest {
    uint64_t request, response;
    bool extended;
    bool has_data;
    uint64_t data, pages;
} SnpGuestRequest;

/**
 * snp_guest_request: carry a guest message to the firmware
 * @result: SW_EXITINFO2: the hypervisor's part in the upper half, the
 *     firmware's status in the lower one
 *
 * The pages are the guest's shared memory: the message is copied before
 * anything is looked at, and written back once.
 *
 * Called in a vCPU's execution loop, without the BQL.
 *
 * Returns: false where addresses are misplaced or missing.
 */
bool snp_guest_request(SnpGuestRequest *request, uint64_t *result);

/**
 * snp_wait_for_init: the end of a vCPU's reset; all but the boot processor
 * wait for INIT and SIPI, or for AP creation
 */
void snp_wait_for_init(X86CPU *cpu);

/**
 * snp_ap_create: NAE event 80000013h, SNP AP Creation
 * @info1: request in bits 31:0, APIC ID in bits 63:32
 * @vmsa_gpa: guest-physical address of the VMSA page
 * @sev_features: SEV_FEATURES of the new VMSA
 *
 * From a vCPU thread, without the BQL.
 *
 * Returns: 0, or the GHCB error code for SW_EXITINFO2.
 */
uint64_t snp_ap_create(CPUX86State *env, uint64_t info1, uint64_t vmsa_gpa,
                       uint64_t sev_features);

#endif
