/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest-hypervisor communication block and the events it carries
 *
 * GHCB specification (56421), version 2: the page, the MSR protocol, and the
 * non-automatic exit (NAE) events, in 4.1.
 */
#ifndef TARGET_I386_TCG_SNP_GUEST_GHCB_H
#define TARGET_I386_TCG_SNP_GUEST_GHCB_H

#include "svm.h"
#include "tcg/snp/guest/guest.h"

#define GHCB_VERSION_MIN 1ULL

/* Offsets in the page, 2.3, table 3 */
#define GHCB_CPL        0x0cb
#define GHCB_XCR0       0x3e8
#define GHCB_RAX        0x1f8
#define GHCB_RCX        0x308
#define GHCB_RDX        0x310
#define GHCB_RBX        0x318
#define GHCB_CODE       0x390
#define GHCB_INFO1      0x398
#define GHCB_INFO2      0x3a0
#define GHCB_SCRATCH    0x3a8
#define GHCB_SAVE_SIZE  0x400

/* The shared buffer */
#define GHCB_SHARED     0x800
#define GHCB_SHARED_END 0xff0
#define GHCB_SHARED_SIZE (GHCB_SHARED_END - GHCB_SHARED)

/* NAE events that are no SVM exit codes, 4.1 */
#define NAE_READ_DR7            (SVM_EXIT_READ_DR0 + 7)
#define NAE_WRITE_DR7           (SVM_EXIT_WRITE_DR0 + 7)
#define NAE_MMIO_READ           0x80000001
#define NAE_MMIO_WRITE          0x80000002
#define NAE_NMI_COMPLETE        0x80000003
#define NAE_RESET_HOLD          0x80000004
#define NAE_JUMP_TABLE          0x80000005
#define NAE_PAGE_STATE          0x80000010
#define NAE_GUEST_REQUEST       0x80000011
#define NAE_EXT_GUEST_REQUEST   0x80000012
#define NAE_AP_CREATION         0x80000013
#define NAE_DOORBELL            0x80000014
#define NAE_HV_IPI              0x80000015
#define NAE_RUN_VMPL            0x80000018
#define NAE_FEATURES            0x8000fffd
#define NAE_TERMINATE           0x8000fffe
#define NAE_UNSUPPORTED         0x8000ffff

/* SW_EXITINFO2 of an error */
#define GHCB_ERROR_NOT_REGISTERED   1
#define GHCB_ERROR_USAGE            2
#define GHCB_ERROR_SCRATCH          3
#define GHCB_ERROR_MISSING_INPUT    4
#define GHCB_ERROR_INVALID_INPUT    5
#define GHCB_ERROR_INVALID_EVENT    6

/* SEV-SNP and SNP AP Creation, #HV doorbell, and Run VMPL */
#define GHCB_FEATURES_SNP           3
#define GHCB_FEATURES_DOORBELL      (1 << 2)
#define GHCB_FEATURES_MULTI_VMPL    (1 << 5)

/**
 * SnpNae: an NAE event while it is served
 * @page: the GHCB
 * @gpa: its guest-physical address
 * @save: the copy of its save area
 * @code, @info1, @info2: from the copy
 * @regs: RAX, RCX, RDX and RBX as R_EAX to R_EBX; 0 where the guest gave none
 * @guest_regs: what the vCPU has in them, while helpers work on @regs
 * @answer1, @answer2: SW_EXITINFO1 and SW_EXITINFO2 of the answer
 * @again: there is no answer yet, and the guest asks for it once more
 * @raises, @vector: behind the answer the guest gets this exception
 */
struct SnpNae {
    SnpShared page;
    uint64_t gpa;
    uint8_t save[GHCB_SAVE_SIZE];
    uint64_t code, info1, info2;
    uint64_t regs[4];
    target_ulong guest_regs[4];
    uint64_t answer1, answer2;
    bool again;
    bool raises;
    int vector;
};

/*
 * ghcb-page.c
 */

/** snp_ghcb_map: false where there is no RAM for a GHCB at @gpa */
bool snp_ghcb_map(SnpNae *nae, hwaddr gpa);

/** snp_ghcb_usage: what the guest says that the page is used for */
uint32_t snp_ghcb_usage(const SnpNae *nae);

/** snp_nae_read: copy the guest's part of the page, once */
void snp_nae_read(SnpNae *nae);

/** snp_nae_unread: as if it had not been, for a guest that asks again */
void snp_nae_unread(SnpNae *nae);

/** snp_nae_has: did the guest mark the field at @offset valid? */
bool snp_nae_has(const SnpNae *nae, unsigned offset);

/** snp_nae_get: a field of the guest's; 0 where it is not marked valid */
uint64_t snp_nae_get(const SnpNae *nae, unsigned offset);

/**
 * snp_nae_answer, snp_nae_error, snp_nae_exception: what the event comes to
 *
 * The last one given counts; 0 where none is.
 */
void snp_nae_answer(SnpNae *nae, uint64_t info2);
void snp_nae_error(SnpNae *nae, uint64_t error, const char *why);
void snp_nae_exception(SnpNae *nae, int vector);

/**
 * snp_nae_raise: the guest gets an exception, with error code 0 if with any,
 * where it goes on: only for an MSR does KVM leave it to the guest to do so,
 * and always with restricted injection
 */
void snp_nae_raise(CPUX86State *env, SnpNae *nae, int vector);

/**
 * snp_nae_scratch: the scratch area, which version 2 wants inside the page's
 * shared buffer
 * @room: bytes between its start and the buffer's end; may be NULL
 *
 * Returns: its host address; NULL, with the error as the event's answer,
 * where it has no @size bytes.
 */
uint8_t *snp_nae_scratch(SnpNae *nae, uint64_t size, size_t *room);

/** snp_nae_finish: write registers and answer into the page */
void snp_nae_finish(CPUX86State *env, SnpNae *nae);

/** snp_nae_finish_answer: write the answer alone */
void snp_nae_finish_answer(SnpNae *nae);

/*
 * events.c
 */

/** snp_nae_serve: check an event's input and serve it */
void snp_nae_serve(CPUX86State *env, SnpNae *nae);

/*
 * Events, each called with its input complete
 */

/* event-io.c */
void snp_nae_ioio(CPUX86State *env, SnpNae *nae);
void snp_nae_mmio(CPUX86State *env, SnpNae *nae);

/* event-cpu.c */
void snp_nae_cpuid(CPUX86State *env, SnpNae *nae);
void snp_nae_msr(CPUX86State *env, SnpNae *nae);
void snp_nae_rdpmc(CPUX86State *env, SnpNae *nae);
void snp_nae_rdtsc(CPUX86State *env, SnpNae *nae);
void snp_nae_undefined(CPUX86State *env, SnpNae *nae);
void snp_nae_vmmcall(CPUX86State *env, SnpNae *nae);
void snp_nae_nothing(CPUX86State *env, SnpNae *nae);
void snp_nae_nmi_complete(CPUX86State *env, SnpNae *nae);

/* event-snp.c */
void snp_nae_reset_hold(CPUX86State *env, SnpNae *nae);
void snp_nae_jump_table(CPUX86State *env, SnpNae *nae);
void snp_nae_page_state(CPUX86State *env, SnpNae *nae);
void snp_nae_guest_request(CPUX86State *env, SnpNae *nae);
void snp_nae_ap_creation(CPUX86State *env, SnpNae *nae);
void snp_nae_run_vmpl(CPUX86State *env, SnpNae *nae);
void snp_nae_features(CPUX86State *env, SnpNae *nae);
void snp_nae_terminate(CPUX86State *env, SnpNae *nae);
void snp_nae_unsupported(CPUX86State *env, SnpNae *nae);

/* doorbell.c */
void snp_nae_doorbell(CPUX86State *env, SnpNae *nae);
void snp_nae_hv_ipi(CPUX86State *env, SnpNae *nae);

/*
 * msr-protocol.c
 */

/** snp_ghcb_is_request: does the MSR hold a request, and not a GHCB? */
bool snp_ghcb_is_request(uint64_t value);

/**
 * snp_ghcb_msr_serve: serve a request of the MSR protocol
 *
 * Returns: what the MSR holds afterwards.
 */
uint64_t snp_ghcb_msr_serve(CPUX86State *env, uint64_t request);

/** snp_ghcb_msr_hold_response: what ends an AP reset hold */
uint64_t snp_ghcb_msr_hold_response(bool by_sipi);

/*
 * guest-request.c
 */

/**
 * SnpGuestRequest: what a guest gives with SNP Guest Request
 * @request, @response: guest-physical addresses of the messages, two pages
 * @extended: SNP Extended Guest Request
 * @has_data: @data and @pages were given
 * @data: guest-physical address of the room for certificates
 * @pages: its size; set to what is needed where that is more
 * @no_memory: set where one of the pages turns out to be none
 * @again: set where the firmware is not ready, and nothing has happened
 */
typedef struct SnpGuestRequest {
    uint64_t request, response;
    bool extended;
    bool has_data;
    uint64_t data, pages;
    bool no_memory;
    bool again;
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
 * Returns: false where certificates are wanted at no proper place.
 */
bool snp_guest_request(SnpGuestRequest *request, uint64_t *result);

/*
 * vmpl.c
 */

/** snp_hypervisor_features: what it says of itself to guests */
uint64_t snp_hypervisor_features(void);

/**
 * snp_run_vmpl: go on at another VMPL of this vCPU
 *
 * In the execution loop, with env up to date.  What is the event's is still
 * to be answered where it came from; behind that, see SnpVcpu.switched and
 * snp_vmpl_go_on().
 *
 * Returns: false where that VMPL cannot be run, and nothing has changed.
 */
bool snp_run_vmpl(CPUX86State *env, uint64_t vmpl);

/** snp_vmpl_go_on: leave for what snp_run_vmpl() has loaded */
G_NORETURN void snp_vmpl_go_on(CPUX86State *env);

/*
 * services.c: what events and MSR protocol have in common
 */

/** snp_page_state_convert: SnpPscConvert for a vCPU, which is @opaque */
int snp_page_state_convert(void *opaque, uint64_t gpa, uint64_t size,
                           bool to_private);

/**
 * snp_nae_stop: an event that KVM ends a guest for, see snp_stop()
 *
 * Leaves the execution loop; the GHCB stays as it is.
 */
G_NORETURN void snp_nae_stop(CPUX86State *env, SnpNae *nae, const char *why);

/**
 * snp_nae_refuse: snp_nae_stop(), or snp_nae_error() where the guest goes on
 */
void snp_nae_refuse(CPUX86State *env, SnpNae *nae, uint64_t error,
                    const char *why);

/**
 * snp_terminate: the guest is over, for a named reason; QEMU is not
 *
 * For requests to terminate and for states the architecture calls a
 * shutdown.  May be called from a vCPU thread, with or without the BQL.
 */
void G_GNUC_PRINTF(2, 3) snp_terminate(CPUX86State *env, const char *fmt, ...);

/** snp_terminate_request: the guest asks for its end, @how it has */
void snp_terminate_request(CPUX86State *env, const char *how,
                           unsigned int set, unsigned int code);

#endif
