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
 * sev-launch-plan.c knows neither target nor machine, so that a unit test can
 * stand in their place; sev-launch.c connects it with both.
 */
#ifndef TARGET_I386_SEV_LAUNCH_H
#define TARGET_I386_SEV_LAUNCH_H

#include "exec/hwaddr.h"
#include "qapi/qapi-types-upm.h"
#include "psp/psp.h"

#define SEV_LAUNCH_VMPLS 3

/**
 * SevLaunchRange: pages of one kind that follow each other
 * @gpa, @size: in bytes, multiples of the page size, but for kernel hashes of
 *     an SEV or SEV-ES guest
 * @type: as the firmware knows it
 * @source: where the content comes from
 * @section: number of the firmware's metadata section, where it is one
 * @vmpl_perms: of VMPL3, VMPL2, VMPL1; KVM_SEV_SNP_LAUNCH_UPDATE gives none
 * @host: the shared memory with the content; NULL once it was launched
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
    uint8_t (*contents)[PSP_DIGEST_SIZE];
} SevLaunchRange;

/**
 * SevCpuidNameFn: how a bit of CPUID is switched off
 * @reg: 0 to 3 for EAX, EBX, ECX, EDX
 *
 * Returns: the name of a property of -cpu, or NULL where there is none.
 */
typedef const char *SevCpuidNameFn(uint32_t leaf, uint32_t subleaf,
                                   unsigned reg, unsigned bit);

/**
 * SevLaunchVmsas: what vCPUs start with
 * @count: number of vCPUs
 * @init: the VMSA of vCPU @index, in the order in which they are measured
 */
typedef struct SevLaunchVmsas {
    unsigned (*count)(void);
    void (*init)(unsigned index, SevVmsa *vmsa);
} SevLaunchVmsas;

/**
 * SevLaunchPlan: the list, and what is known of it
 *
 * @cpuid_name, @vmsas and @firmware are set by its owner; the rest belongs
 * to the functions below.  @encrypted is NULL unless it is the plan of an SEV
 * or SEV-ES guest.
 */
typedef struct SevLaunchPlan {
    SevCpuidNameFn *cpuid_name;
    const SevLaunchVmsas *vmsas;
    char *firmware;             /* file name, for descriptions */
    GArray *ranges;
    bool measured;
    bool launched;
    unsigned launched_vcpus;
    uint8_t (*vmsa_contents)[PSP_DIGEST_SIZE];
    GChecksum *encrypted;       /* of all content so far */
} SevLaunchPlan;

/**
 * sev_plan_add: append a range
 *
 * @range is copied, without its @contents.
 */
void sev_plan_add(SevLaunchPlan *plan, const SevLaunchRange *range);

/**
 * sev_plan_measure: hash the content of all pages
 *
 * Has to come before sev_plan_close(), which gives the content away.
 * Locking: none; no other function may use @plan meanwhile but
 * sev_plan_populate().
 *
 * Returns: false with @errp set where SHA-384 is not to be had.
 */
bool sev_plan_measure(SevLaunchPlan *plan, Error **errp);

/** SevCommandFn: sev.c's sev_ioctl() */
typedef int SevCommandFn(int fd, int command, void *data, int *fw_error);

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
 * Remembers what vCPUs start with and gives back, by the discard policy, the
 * shared memory that ranges were launched from.  The plan must have been
 * measured.  Locking: BQL.
 *
 * Returns: false with @errp set.
 */
bool sev_plan_close(SevLaunchPlan *plan, Error **errp);

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
 * The plan must have been measured.
 *
 * Returns: false with @errp set where SHA-384 is not to be had.
 */
bool sev_plan_digest(const SevLaunchPlan *plan,
                     uint8_t digest[PSP_DIGEST_SIZE], SevLaunchPageFn *fn,
                     void *opaque, Error **errp);

/**
 * sev_plan_encrypt: append a range of an SEV or SEV-ES guest, and launch it
 * @fd: for @command
 * @command: runs KVM_SEV_LAUNCH_UPDATE_DATA, as the ioctl does
 *
 * A range that failed is never tried again: part of it may be encrypted.
 *
 * Locking: BQL.  Returns: 0, or a negative errno with @errp set.
 * Source: SEV API (55766), LAUNCH_UPDATE_DATA.
 */
int sev_plan_encrypt(SevLaunchPlan *plan, const SevLaunchRange *range, int fd,
                     SevCommandFn *command, Error **errp);

/**
 * sev_plan_encrypt_vcpus: the same for what vCPUs of an SEV-ES guest start
 * with, by KVM_SEV_LAUNCH_UPDATE_VMSA
 */
int sev_plan_encrypt_vcpus(SevLaunchPlan *plan, int fd, SevCommandFn *command,
                           Error **errp);

/**
 * sev_plan_encrypted_digest: launch digest of an SEV or SEV-ES guest so far
 *
 * Returns: SHA-256 in hexadecimal, to be freed.
 */
char *sev_plan_encrypted_digest(const SevLaunchPlan *plan);

/** sev_plan_pages: number of pages, those of vCPUs among them */
uint64_t sev_plan_pages(const SevLaunchPlan *plan);

/** sev_plan_vcpus: number of vCPUs that are measured */
unsigned sev_plan_vcpus(const SevLaunchPlan *plan);

/*
 * sev-launch.c: vCPUs in the order in which they are measured
 */

/** sev_launch_vcpus: number of vCPUs */
unsigned sev_launch_vcpus(void);

/** sev_launch_vcpu: the vCPU of number @index, less than their number */
CPUState *sev_launch_vcpu(unsigned index);

/**
 * sev_launch_vcpu_reset: what vCPU @index starts with
 *
 * Locking: BQL; the vCPU must not run.
 */
void sev_launch_vcpu_reset(unsigned index, PspVcpuReset *reset);

/*
 * sev-launch-cpuid.c
 */

/**
 * sev_cpuid_explain: compare the CPUID page that was refused with the one
 * that would be taken
 *
 * Leaf by leaf, each register with both values; then the option of -cpu
 * without which they would have been the same.
 *
 * Returns: lines of text to be freed.
 */
char *sev_cpuid_explain(const PspCpuidPage *before, const PspCpuidPage *after,
                        SevCpuidNameFn *name);

#endif
