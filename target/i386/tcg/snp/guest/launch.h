/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest world: what the emulated firmware asks of it
 */
#ifndef TARGET_I386_TCG_SNP_GUEST_LAUNCH_H
#define TARGET_I386_TCG_SNP_GUEST_LAUNCH_H

#include "cpu.h"
#include "exec/hwaddr.h"
#include "target/i386/sev-vmsa.h"

typedef struct ConfidentialGuestSupport ConfidentialGuestSupport;

/**
 * snp_guest_start: turn the machine's processor into that of one SNP guest
 *
 * Called when the accelerator starts, before there is RAM or a vCPU.
 * Refuses a list of accelerators that would end here unasked, and whatever
 * cannot work with private memory (record/replay).
 */
bool snp_guest_start(ConfidentialGuestSupport *cgs, uint32_t cbitpos,
                     Error **errp);

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
 * snp_launch_vcpu: let a vCPU that was just reset start with a VMSA
 *
 * Before the machine runs.  Returns: NULL, or why it cannot.
 */
const char *snp_launch_vcpu(CPUX86State *env, const SevVmsa *vmsa);

#endif
