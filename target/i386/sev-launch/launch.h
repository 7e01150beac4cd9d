/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What target/i386/sev.c asks of the launch
 *
 * All of it is about the guest of this machine,
 * -machine confidential-guest-support=, unless a guest object is given.
 * Locking: BQL.
 */
#ifndef TARGET_I386_SEV_LAUNCH_H
#define TARGET_I386_SEV_LAUNCH_H

#include "target/i386/sev-firmware.h"
#include "check.h"
#include "errors.h"

struct kvm_device_attr;
struct kvm_sev_launch_update_data;
struct OvmfSevMetadata;
struct SevSnpGuestState;

/*
 * command.c: who runs commands, KVM or the emulated firmware
 */

/**
 * sev_launch_command: run KVM_SEV_* command @command
 * @fd: /dev/sev
 * @data: the command's structure
 * @status: firmware status, SEV_RET_*; -1 where it was not called; may be NULL
 *
 * What it says of the launch is noted, see sev_plan_command().
 *
 * Returns: 0 or a negative errno.
 */
int sev_launch_command(int fd, int command, void *data, int *status);

/** sev_launch_platform_command: the same for SEV_* commands on /dev/sev */
int sev_launch_platform_command(int fd, int command, void *data, int *status);

/**
 * sev_launch_get_cpuid: what the guest's CPUID page shall hold
 * @cpuid: nent says how much room there is, and on return how much is used
 *
 * Returns: 0, or a negative errno: -E2BIG where there is not enough room.
 */
int sev_launch_get_cpuid(CPUState *cs, struct kvm_cpuid2 *cpuid);

/**
 * sev_launch_get_features: which SEV_FEATURES a guest may choose
 * @attr: KVM_X86_SEV_VMSA_FEATURES, with the address of an uint64_t
 *
 * QEMU 10.2 asks, for what an IGVM file wants; older ones have no such file.
 * KVM says nothing of SNP_ACTIVE (bit 0), which comes with the kind of guest;
 * for what the emulated processor has see sev_features_emulated().
 * Returns: 0 or a negative errno.
 */
int sev_launch_get_features(struct kvm_device_attr *attr);

/** sev_launch_finished: registers of vCPUs cannot be read any more */
void sev_launch_finished(void);

/*
 * launch.c
 */

/**
 * SevPopulateFn: sev.c's snp_populate_metadata_pages(), which adds to the plan
 * what the firmware's metadata asks for
 */
typedef void SevPopulateFn(struct SevSnpGuestState *guest,
                           struct OvmfSevMetadata *metadata);

/**
 * sev_launch_init: @guest is an SEV-SNP guest to be launched
 *
 * The plan is completed by @populate as soon as the machine is, so that the
 * measurement is known before the guest runs.
 */
void sev_launch_init(struct SevSnpGuestState *guest, SevPopulateFn *populate);

/**
 * sev_launch_wants_metadata: the plan lacks what the firmware's metadata say
 * @table, @hashes, @hashes_offset: see sev_launch_check_metadata()
 *
 * Whoever asks adds all of it next.  After machine_done() the plan has it,
 * and what was foretold is launched; but not where a launch starts anew.
 *
 * Does not return where the table cannot be launched.
 */
bool sev_launch_wants_metadata(const void *table, const void *hashes,
                               uint32_t hashes_offset);

/**
 * sev_launch_add: append a range to the plan, see sev_plan_add()
 * @gpa, @size: in bytes, multiples of the page size
 * @host: the shared memory that the range is launched from
 * @type: KVM_SEV_SNP_PAGE_TYPE_*
 */
void sev_launch_add(uint64_t gpa, void *host, uint64_t size, int type);

/**
 * sev_launch_run: fill private memory as planned, and give KVM the registers
 * @fd: /dev/sev
 *
 * Does not return where that fails.
 */
void sev_launch_run(int fd);

/**
 * sev_launch_encrypt: KVM_SEV_LAUNCH_UPDATE_DATA of an SEV or SEV-ES guest
 * @gpa: of the memory that @update names, which is encrypted where it is
 *
 * Returns: 0, or a negative errno; what failed has been reported.
 */
int sev_launch_encrypt(int fd, uint64_t gpa,
                       const struct kvm_sev_launch_update_data *update,
                       int *status);

/** sev_launch_encrypt_vcpus: the same, KVM_SEV_LAUNCH_UPDATE_VMSA */
int sev_launch_encrypt_vcpus(int fd, int *status);

/*
 * query.c
 */

/** sev_launch_query: for query-sev; NULL where nothing is known (yet) */
SevLaunch *sev_launch_query(void);

/** sev_launch_query_encrypted: the same for an SEV or SEV-ES guest */
SevGuestLaunch *sev_launch_query_encrypted(void);

/** sev_launch_print: for "info sev" */
void sev_launch_print(Monitor *mon);

/**
 * sev_launch_measure_only: with measure-only=, print the measurement and exit
 *
 * To be called when the plan is complete.
 */
void sev_launch_measure_only(void);

/** sev_launch_only_measures: measure-only= was given, the guest never runs */
bool sev_launch_only_measures(void);

#endif
