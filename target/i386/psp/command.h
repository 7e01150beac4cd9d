/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Firmware commands on a guest context
 *
 * SEV-SNP Firmware ABI (56860), chapters 4 and 8.  Who asks for them does not
 * matter here: KVM's commands in the guest world (kvm-rules.c), the mailbox
 * in the host world (command-run.c).
 *
 * Locking: the BQL.
 */
#ifndef TARGET_I386_PSP_COMMAND_H
#define TARGET_I386_PSP_COMMAND_H

#include "platform.h"
#include "psp.h"

/**
 * psp_platform_cpuid: hold a CPUID page against the platform
 * @page: corrected where it promises too much
 *
 * Returns: number of fields that had to be corrected.
 */
unsigned psp_platform_cpuid(const PspPlatform *platform, PspCpuidPage *page);

/* GSTATE of 56860 section 4.1 */
typedef enum PspState {
    PSP_STATE_INIT,
    PSP_STATE_LAUNCH,
    PSP_STATE_RUNNING,
} PspState;

#define PSP_HOST_DATA_SIZE  32
#define PSP_REPORT_ID_SIZE  32

/**
 * PspGuest: the guest context, what the firmware knows of a guest
 *
 * @spa: of its Context page, 0 in the guest world, which has none
 * @asid: 0 until SNP_ACTIVATE
 *
 * It lives here and not in the Context page.  On hardware that page is
 * encrypted; here its owner could read the keys in it, and a device could
 * change it.
 *
 * @platform, @spa and @asid come from outside, all else is the firmware's
 * own; @state says which of the commands may change it.  @host_data,
 * @vcek_disabled and @identity are valid once the guest runs.
 */
typedef struct PspGuest {
    PspPlatform *platform;
    uint64_t spa;
    unsigned asid;
    PspState state;
    uint64_t policy;
    uint8_t gosvw[PSP_GOSVW_SIZE];
    uint8_t vmpck[PSP_VMPCKS][PSP_VMPCK_SIZE];
    uint8_t digest[PSP_DIGEST_SIZE];
    uint8_t host_data[PSP_HOST_DATA_SIZE];
    bool vcek_disabled;             /* no report may be signed by a VCEK */
    PspIdentity identity;
    uint8_t report_id[PSP_REPORT_ID_SIZE];
    uint64_t message_count[PSP_VMPCKS];     /* last number used, by VMPCK */
    uint64_t pages[PSP_PAGE_CPUID + 1];     /* measured, by type */
} PspGuest;

/** psp_guest_free: forget a guest context made by g_new(), keys first */
void psp_guest_free(void *guest);

/**
 * psp_launch_start: LAUNCH_START, 56860 section 8.16
 *
 * Returns: SEV_RET_SUCCESS; INVALID_GUEST_STATE, POLICY_FAILURE,
 * HWSEV_RET_PLATFORM, with @errp set.
 */
int psp_launch_start(PspGuest *guest, uint64_t policy,
                     const uint8_t gosvw[PSP_GOSVW_SIZE], Error **errp);

/**
 * PspLaunchPage: what LAUNCH_UPDATE is told of a page of 4 KiB
 * @vmpl_perms: of VMPL3, VMPL2 and VMPL1, as they are measured
 */
typedef struct PspLaunchPage {
    PspPageType type;
    uint64_t gpa;
    uint8_t vmpl_perms[3];
} PspLaunchPage;

/** psp_page_type_name: NULL where there is no such type */
const char *psp_page_type_name(int type);

/**
 * psp_launch_check: would psp_launch_update() take @content now?
 *
 * A CPUID page that promises too much it would not; it is corrected then, so
 * that the caller sees what would have been taken.
 *
 * Returns: SEV_RET_SUCCESS; INVALID_GUEST_STATE, INVALID_PARAM, with @errp
 * set.
 */
int psp_launch_check(PspGuest *guest, const PspLaunchPage *page,
                     void *content, Error **errp);

/**
 * psp_launch_update: LAUNCH_UPDATE of 4 KiB, 56860 section 8.17
 * @content: PSP_PAGE_SIZE bytes, in place: filled for pages of zeros and of
 *     secrets.  Nobody else may change it meanwhile
 *
 * Whose page it is and in which state is the caller's matter.
 *
 * Returns: SEV_RET_SUCCESS; what psp_launch_check() returns;
 * HWSEV_RET_PLATFORM, with @errp set.
 */
int psp_launch_update(PspGuest *guest, const PspLaunchPage *page,
                      void *content, Error **errp);

/**
 * PspLaunchFinish: what LAUNCH_FINISH is told
 * @block, @auth: NULL for a guest without an ID block
 */
typedef struct PspLaunchFinish {
    const PspIdBlock *block;
    const PspIdAuth *auth;
    bool author_key;
    bool vcek_disabled;
    uint8_t host_data[PSP_HOST_DATA_SIZE];
} PspLaunchFinish;

/**
 * psp_launch_finish: LAUNCH_FINISH, 56860 section 8.18; the guest runs
 *
 * Returns: SEV_RET_SUCCESS; INVALID_GUEST_STATE, and what
 * psp_identity_check() returns, with @errp set.
 */
int psp_launch_finish(PspGuest *guest, const PspLaunchFinish *finish,
                      Error **errp);

#endif
