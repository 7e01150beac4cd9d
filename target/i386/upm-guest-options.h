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

/** upm_guest_is_snp: is it an SEV-SNP guest? */
bool upm_guest_is_snp(Object *guest);

/**
 * upm_guest_find_cert_dir: what cert-dir= names, else the folder for all guests
 *
 * Returns: a string to be freed.
 */
char *upm_guest_find_cert_dir(const UpmGuestOptions *options);

#endif
