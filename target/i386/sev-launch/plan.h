/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The launch plan: what a guest is launched from, in order
 *
 * One list of page ranges.  target/i386/sev.c adds to it what it would have
 * launched; KVM or the emulated firmware is fed from it, and the expected
 * launch digest is computed from it, whatever the accelerator.
 *
 * An SEV-SNP guest is launched from a complete plan.  The memory of an SEV or
 * SEV-ES guest is encrypted where it is, range by range as each is added.
 *
 * Neither target nor machine is known here, so that a unit test can stand in
 * their place; launch.c connects the plan with both.
 */
#ifndef TARGET_I386_SEV_LAUNCH_PLAN_H
#define TARGET_I386_SEV_LAUNCH_PLAN_H

#include "exec/hwaddr.h"
#include "qapi/qapi-types-upm.h"
#include "target/i386/sev-abi.h"
#include "target/i386/sev-digest.h"
#include "target/i386/sev-vmsa.h"
#include "explain-cpuid.h"

#define SEV_LAUNCH_VMPLS 3

/**
 * SevLaunchRange: pages of one kind that follow each other
 * @gpa, @size: in bytes, multiples of the page size, but for kernel hashes of
 *     an SEV or SEV-ES guest
 * @type: as the firmware knows it
 * @source: where the content comes from
 * @section: number of the firmware's metadata section, where it is one
 * @vmpl_perms: of VMPL3, VMPL2, VMPL1; KVM_SEV_SNP_LAUNCH_UPDATE gives none
 * @host: the shared memory with the content, or @copy; NULL once it was
 *     launched
 * @place: the memory that is encrypted in place, of an SEV or SEV-ES guest
 * @copy: of the content, where the plan is kept; NULL for pages of zeros
 * @contents: SHA-384 of each page of type NORMAL, NULL until measured
 */
typedef struct SevLaunchRange {
    hwaddr gpa;
    uint64_t size;
    PspPageType type;
    SevLaunchSource source;
    uint32_t section;
    uint8_t vmpl_perms[SEV_LAUNCH_VMPLS];
    uint8_t *host;
    uint8_t *place;
    uint8_t *copy;
    uint8_t (*contents)[PSP_DIGEST_SIZE];
} SevLaunchRange;

/**
 * SevLaunchVcpus: what vCPUs start with
 * @count: number of vCPUs
 * @reset: the reset state of vCPU @index, in the order in which they are
 *     measured; its SEV features are the plan's
 */
typedef struct SevLaunchVcpus {
    unsigned (*count)(void);
    void (*reset)(unsigned index, PspVcpuReset *reset);
} SevLaunchVcpus;

#define SEV_DIGEST_SIZE 32

/**
 * SevEncryptedPage: one page of an SEV or SEV-ES guest, as it was measured
 * @source: where the content is from; with SEV_LAUNCH_SOURCE_VCPU @vcpu is the
 *     number of the vCPU, and there is no @gpa
 * @offset: of the page in its range, in bytes
 * @contents: SHA-256 of the content
 * @digest: of everything up to and with this page
 */
typedef struct SevEncryptedPage {
    SevLaunchSource source;
    hwaddr gpa;
    uint64_t offset;
    unsigned vcpu;
    uint8_t contents[SEV_DIGEST_SIZE];
    uint8_t digest[SEV_DIGEST_SIZE];
} SevEncryptedPage;

/**
 * SevLaunchPlan: the list, and what is known of it
 *
 * Its owner sets @cpuid_name, @vcpus, @firmware (file name, for descriptions)
 * @foreign_vcpus (vCPUs start with states that do not follow from a reset,
 * so that no digest can be told), and @kept (it can be launched again, and has
 * copies for that).  The rest belongs to the functions below.
 * @encrypted is NULL unless it is the plan of an SEV or SEV-ES guest.
 */
typedef struct SevLaunchPlan {
    SevCpuidNameFn *cpuid_name;
    const SevLaunchVcpus *vcpus;
    char *firmware;
    bool foreign_vcpus;
    bool kept;

    uint64_t sev_features;      /* of vCPUs, as KVM puts them into VMSAs */
    bool without_fpu;           /* KVM leaves x87 and SSE state out of them */
    GArray *ranges;
    char *firmware_sha256;      /* in hexadecimal, NULL until measured */
    bool measured;
    bool launched;
    bool repeated;              /* launched from copies */
    unsigned launched_vcpus;
    uint8_t (*vmsa_contents)[PSP_DIGEST_SIZE];
    GChecksum *encrypted;       /* of all content so far */
    GArray *encrypted_pages;    /* of SevEncryptedPage, in order */
} SevLaunchPlan;

/** SevCommandFn: runs KVM_SEV_* on what @fd names, as the ioctl does */
typedef int SevCommandFn(int fd, int command, void *data, int *fw_error);

/*
 * plan.c
 */

/**
 * sev_plan_command: note what a command that is about to run says
 * @command, @data: KVM_SEV_* with its structure
 *
 * KVM_SEV_INIT2 has the features of VMSAs; an SEV-SNP guest has one more.
 */
void sev_plan_command(SevLaunchPlan *plan, int command, const void *data);

/**
 * sev_plan_add: append a range
 *
 * @range is copied, without its @contents and @copy.  A range that is in the
 * plan keeps its place and gets what else @range says: no page can be launched
 * twice.
 */
void sev_plan_add(SevLaunchPlan *plan, const SevLaunchRange *range);

/**
 * sev_plan_reset: an empty plan, as before anything was added
 *
 * What its owner has set stays, and so do the SEV features.
 */
void sev_plan_reset(SevLaunchPlan *plan);

/** sev_plan_range: range @index, less than sev_plan_ranges() */
SevLaunchRange *sev_plan_range(const SevLaunchPlan *plan, unsigned index);

/** sev_plan_ranges: number of ranges */
unsigned sev_plan_ranges(const SevLaunchPlan *plan);

/** sev_plan_pages: number of pages, those of vCPUs among them */
uint64_t sev_plan_pages(const SevLaunchPlan *plan);

/** sev_plan_vcpus: number of vCPUs that are measured */
unsigned sev_plan_vcpus(const SevLaunchPlan *plan);

/** sev_plan_vmsa: what vCPU @index starts with, before the guest runs */
void sev_plan_vmsa(const SevLaunchPlan *plan, unsigned index, SevVmsa *vmsa);

/**
 * sev_plan_source: where the content at @gpa of @range is from, to be freed
 */
char *sev_plan_source(const SevLaunchPlan *plan, const SevLaunchRange *range,
                      hwaddr gpa);

/*
 * measure.c
 */

/**
 * sev_plan_measure: hash the content of all pages
 *
 * Has to come before sev_plan_close(), which discards the content.
 * Locking: none; no other function may use @plan meanwhile but
 * sev_plan_populate().
 *
 * Returns: false with @errp set where SHA-384 is not to be had.
 */
bool sev_plan_measure(SevLaunchPlan *plan, Error **errp);

/**
 * sev_plan_vmsa_contents: SHA-384 of what vCPU @index starts with
 *
 * Returns: false with @errp set where SHA-384 is not to be had.
 */
bool sev_plan_vmsa_contents(const SevLaunchPlan *plan, unsigned index,
                            uint8_t contents[PSP_DIGEST_SIZE], Error **errp);

/**
 * SevLaunchPageInfo: one page of the plan, as it is measured
 * @range: NULL for a VMSA
 * @vcpu: number of the vCPU, for a VMSA
 * @contents: SHA-384, NULL where the content is not measured
 * @digest: of everything up to and with this page
 */
typedef struct SevLaunchPageInfo {
    const SevLaunchRange *range;
    unsigned vcpu;
    PspPageType type;
    hwaddr gpa;
    const uint8_t *contents;
    const uint8_t *digest;
} SevLaunchPageInfo;

typedef void SevLaunchPageFn(const SevLaunchPageInfo *page, void *opaque);

/**
 * sev_plan_digest: the launch digest that the guest will have
 * @fn: called for each page in order; may be NULL
 *
 * Returns: false with @errp set where it cannot be told: the plan was not
 * measured, vCPUs start with states that are not known, or SHA-384 is not to
 * be had.
 */
bool sev_plan_digest(const SevLaunchPlan *plan,
                     uint8_t digest[PSP_DIGEST_SIZE], SevLaunchPageFn *fn,
                     void *opaque, Error **errp);

/**
 * sev_plan_seed: the launch digest before vCPUs are measured
 *
 * Returns: as sev_plan_digest().
 */
bool sev_plan_seed(const SevLaunchPlan *plan, uint8_t seed[PSP_DIGEST_SIZE],
                   Error **errp);

/**
 * sev_plan_chain_vcpus: measure vCPUs as another guest may have them
 * @count: number of vCPUs
 * @signature: of them, CPUID leaf 1, EAX
 * @ap_eip: where all but the first start; not looked at where @count is 1
 * @digest: what sev_plan_seed() has given; set to the launch digest
 *
 * Returns: false with @errp set where SHA-384 is not to be had.
 */
bool sev_plan_chain_vcpus(const SevLaunchPlan *plan, unsigned count,
                          uint32_t signature, uint32_t ap_eip,
                          uint8_t digest[PSP_DIGEST_SIZE], Error **errp);

/*
 * populate.c
 */

/**
 * sev_plan_populate: fill private memory with all ranges
 * @fd: for @command
 * @command: runs KVM_SEV_SNP_LAUNCH_UPDATE, as the ioctl does
 *
 * Each range becomes private by upm_convert() and is then filled by the
 * firmware from shared memory.  Only reads @plan.
 *
 * Locking: BQL.  Returns: 0, or a negative errno with @errp naming
 * page, source, RAM block and what was answered.
 */
int sev_plan_populate(const SevLaunchPlan *plan, int fd,
                      SevCommandFn *command, Error **errp);

/**
 * sev_plan_close: nothing is launched any more
 *
 * Remembers what vCPUs start with and discards, by the policy, the shared
 * memory that ranges were launched from, unless these were copies.  Locking:
 * BQL.
 *
 * Returns: false with @errp set.
 */
bool sev_plan_close(SevLaunchPlan *plan, Error **errp);

/**
 * sev_plan_discard: discard, by the policy, the shared memory that ranges
 * were launched from
 *
 * Locking: BQL.  Returns: false with @errp set.
 */
bool sev_plan_discard(const SevLaunchPlan *plan, Error **errp);

/*
 * repeat.c
 */

/**
 * sev_plan_keep: copy what ranges are launched from, before it is discarded
 *
 * For sev_plan_close(), where the plan is to be kept.
 */
void sev_plan_keep(SevLaunchPlan *plan);

/**
 * sev_plan_again: a plan that was closed is to be launched once more
 *
 * From the copies; what was measured stays.  May be called again where that
 * launch has failed.
 */
void sev_plan_again(SevLaunchPlan *plan);

/*
 * encrypt.c
 */

/**
 * sev_plan_encrypt: append a range of an SEV or SEV-ES guest, and launch it
 * @fd: for @command
 * @command: runs KVM_SEV_LAUNCH_UPDATE_DATA, as the ioctl does
 * @status: set to the firmware's
 *
 * A range that failed is never tried again: part of it may be encrypted.  Its
 * pages are in @encrypted_pages from here on.
 *
 * Locking: BQL.  Returns: 0, or a negative errno with @errp set.
 * Source: SEV API (55766), LAUNCH_UPDATE_DATA.
 */
int sev_plan_encrypt(SevLaunchPlan *plan, const SevLaunchRange *range, int fd,
                     SevCommandFn *command, int *status, Error **errp);

/**
 * sev_plan_encrypt_again: launch all ranges once more, each where it was
 * @command: as for sev_plan_encrypt()
 *
 * Their content has to be there, see SevLaunchRange.copy.  vCPUs are still to
 * come.  Locking: BQL.  Returns: 0, or a negative errno with @errp set.
 */
int sev_plan_encrypt_again(SevLaunchPlan *plan, int fd, SevCommandFn *command,
                           Error **errp);

/**
 * sev_plan_encrypt_vcpus: the same for what vCPUs of an SEV-ES guest start
 * with, by KVM_SEV_LAUNCH_UPDATE_VMSA
 */
int sev_plan_encrypt_vcpus(SevLaunchPlan *plan, int fd, SevCommandFn *command,
                           int *status, Error **errp);

/**
 * sev_plan_encrypted_digest: launch digest of an SEV or SEV-ES guest so far
 *
 * Returns: SHA-256 in hexadecimal, to be freed; NULL where it cannot be told.
 */
char *sev_plan_encrypted_digest(const SevLaunchPlan *plan);

#endif
