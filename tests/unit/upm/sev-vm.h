/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine for KVM's commands on SEV and SEV-ES guests: two RAM blocks of
 * two halves, vCPUs that remember what they start with, and a platform whose
 * PDH is that of sev-owner.h
 */
#ifndef TESTS_UNIT_UPM_SEV_VM_H
#define TESTS_UNIT_UPM_SEV_VM_H

#include <linux/kvm.h>
#include <linux/psp-sev.h>
#include "target/i386/psp/sev-kvm.h"

#define VM_PAGE         4096
#define VM_PAGES        16
#define VM_SIZE         (VM_PAGES * VM_PAGE)
#define VM_SHARED       9           /* this page of a block is shared */
#define VM_VCPUS        3
#define VM_SIGNATURE    0x800f12

typedef struct Vm {
    PspSevKvm *sev;
    uint8_t *shared[2], *private[2];
    unsigned encrypted;             /* calls */
    unsigned identities;
    bool identity_fails;
    int ghcb_version;               /* -1: never said */
    SevVmsa loaded[VM_VCPUS];
    unsigned loads;
    const char *load_fails;
} Vm;

extern Vm vm;

/** uaddr: as the commands name memory of this process */
static inline uint64_t uaddr(const void *p)
{
    return (uintptr_t)p;
}

void vm_start(bool es);
void vm_stop(void);

/** vm_command: errno and status have to be these */
void vm_command(int command, void *data, int ret, int status);

/* The commands; each expects as vm_command() does */
void vm_init(int ret);                          /* INIT2 */
void vm_launch(uint32_t policy, int ret, int status);
void vm_update(const void *at, uint32_t size, int ret, int status);
void vm_measure(void);                          /* has to succeed */
/* LAUNCH_SECRET: 32 bytes into the second block, as it should be */
struct kvm_sev_launch_secret vm_secret(const void *header, const void *data);
int vm_state(void);                             /* as GUEST_STATUS has it */

/* Bring it as far, with nothing but the first page launched */
void vm_to_update(bool es);
void vm_to_secret(bool es);
void vm_to_running(bool es);

#endif
