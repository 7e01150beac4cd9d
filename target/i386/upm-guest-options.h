/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was asked for with a guest object
 */
#ifndef TARGET_I386_UPM_GUEST_OPTIONS_H
#define TARGET_I386_UPM_GUEST_OPTIONS_H

#include "qapi/qapi-types-common.h"
#include "qapi/qapi-types-upm-common.h"
#include "qom/object.h"

/**
 * UpmGuestOptions: the options of one guest object, as upm-common.json
 * describes them
 * @sev_features: what is asked for by name, as SEV_FEATURES of a VMSA has it
 * @cert_dir, @certs_path: NULL where they were not given
 * @in_use: the machine was started with them
 */
typedef struct UpmGuestOptions {
    UpmDiscardPolicy discard;
    bool pre_fault;
    OnOffAuto upm_mode;
    bool emulated;
    bool emulated_smt;
    bool emulated_large_pages;
    SevEmulatedHypervisor emulated_hypervisor;
    uint8_t emulated_vmpls;
    uint64_t sev_features;
    SevEmulatedChip emulated_chip;
    uint32_t emulated_report_version;
    uint64_t emulated_mitigations;
    bool emulated_vlek;
    SevMeasureOnly measure_only;
    char *cert_dir;
    char *certs_path;
    bool in_use;
} UpmGuestOptions;

/**
 * upm_guest_options: what was asked for with @guest, NULL: with none
 *
 * Valid until an option is set; once they are in use none but @discard can be.
 * Of a guest in use it may be called by any thread, else with the BQL.
 */
const UpmGuestOptions *upm_guest_options(Object *guest);

/**
 * upm_guest_use_options: the machine is started with this guest
 *
 * From now on its options are fixed, but for @discard, which the core follows.
 * Locking: BQL.
 */
const UpmGuestOptions *upm_guest_use_options(Object *guest);

/**
 * upm_guest_options_to_set: the options of @guest, one of which is to be set
 * @option: its name
 *
 * Returns: NULL with @errp set where the machine was started with it.
 */
UpmGuestOptions *upm_guest_options_to_set(Object *guest, const char *option,
                                          Error **errp);

/** upm_guest_is_snp: is it an SEV-SNP guest? */
bool upm_guest_is_snp(Object *guest);

/**
 * upm_guest_find_cert_dir: what cert-dir= names, else the folder for all guests
 * with such a chip
 *
 * Returns: a string to be freed.
 */
char *upm_guest_find_cert_dir(const UpmGuestOptions *options);

/** upm_guest_add_emulated: give a class what any guest with vCPUs of TCG has */
void upm_guest_add_emulated(ObjectClass *oc);

/** upm_guest_add_platform: and what SEV-SNP guests have besides */
void upm_guest_add_platform(ObjectClass *oc);

/** upm_guest_add_features: give a class a property for each SEV feature */
void upm_guest_add_features(ObjectClass *oc);

/** upm_guest_add_chip: give a class the properties of the chip that signs */
void upm_guest_add_chip(ObjectClass *oc);

/** upm_guest_add_cert_dir: and that of the folder that it lives in */
void upm_guest_add_cert_dir(ObjectClass *oc);

#endif
