/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Other VMPLs than the one that a payload starts at
 *
 * A vCPU of the library is one VMPL of a real vCPU: with a stack, a GHCB and a
 * struct cpu of its own.
 */
#ifndef VMPL_H
#define VMPL_H

#include "snp.h"

#define NAE_RUN_VMPL    0x80000018
#define FEATURES_VMPL   0x23

/* Permissions, RDX of RMPADJUST */
#define VMPL_R          0x100
#define VMPL_W          0x200
#define VMPL_XU         0x400
#define VMPL_XS         0x800
#define VMPL_ALL        0xf00
#define VMPL_VMSA       0x10000

#define FAIL_PERMISSION 2

/** vmpl_share: give a VMPL all of the image and of .bss */
void vmpl_share(unsigned vmpl);

/**
 * vmpl_page: a VMSA page for vCPU @index of the library to run at @vmpl
 *
 * A failure ends the payload.
 */
u8 *vmpl_page(unsigned index, unsigned vmpl);

/** vmpl_prepare: the same, and vCPU @apic_id can run that VMPL */
u8 *vmpl_prepare(unsigned index, unsigned vmpl, u32 apic_id);

/**
 * run_vmpl: let this vCPU run another VMPL, and come back
 *
 * By MSR protocol.  Returns: its answer, 17h for success.
 */
u64 run_vmpl(unsigned vmpl);

/** run_vmpl_event: the same by NAE event; SW_EXITINFO1 << 32 | SW_EXITINFO2 */
u64 run_vmpl_event(unsigned vmpl);

/** vmpl_do: what the VMPL that vCPU @index of the library is does for others */
struct vmpl_call {
    void (*fn)(struct vmpl_call *call);
    volatile void *page;
    u64 value;
    u64 answer;
    u64 done;
};
extern volatile struct vmpl_call vmpl_calls[MAX_CPUS];

/** vmpl_serve: do what is asked for, for ever; for ap_main() */
void vmpl_serve(unsigned index) __attribute__((noreturn));

/**
 * vmpl_call: have @fn called at @vmpl of this vCPU, which is vCPU @index of
 * the library there
 *
 * Returns: its answer; a failure ends the payload.
 */
u64 vmpl_call(unsigned index, unsigned vmpl,
              void (*fn)(struct vmpl_call *call), volatile void *page,
              u64 value);

#endif
