/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM of KVM's that the emulated firmware launches: a processor that has
 * private memory everywhere but at page HOLE, and KVM's commands
 */
#ifndef TESTS_UNIT_UPM_SNP_VM_H
#define TESTS_UNIT_UPM_SNP_VM_H

#include <linux/kvm.h>
#include <linux/psp-sev.h>
#include "crypto/init.h"
#include "qapi/error.h"
#include "target/i386/psp/kvm-rules.h"
#include "target/i386/sev-launch/plan.h"

#define POLICY          0x30000
#define SIGNATURE       0x800f12
#define OSXSAVE         (1U << 27)
#define HOLE            0xdead0000ULL

enum { EAX, EBX, ECX, EDX };

extern PspPlatform platform;
extern const PspProcessor fake_processor;

/* Of the guest to be; new_guest() sets them. */
extern unsigned vcpus;
extern uint32_t signature;
extern uint32_t ap_reset;

/* What became of it */
extern SevVmsa loaded[4];
extern unsigned loads;
extern unsigned finished_pages;
extern unsigned broken_vcpu;        /* is not loaded; -1: all are */

/* A plan that all that is launched goes into, too; NULL: none */
extern SevLaunchPlan *planned;

/** new_guest: with new memory, one vCPU, and nothing launched */
PspKvmGuest new_guest(void);

/** fake_vcpus, fake_vcpu_reset: the vCPUs, for plans as well */
unsigned fake_vcpus(void);
void fake_vcpu_reset(unsigned index, PspVcpuReset *reset);

/** page_at: private memory, or NULL where nothing was launched */
void *page_at(uint64_t gpa);

/** new_pages: room for pages as the commands want them, page-aligned */
void *new_pages(size_t count);

/** good_cpuid_page: one that the fake processor can be */
PspCpuidPage *good_cpuid_page(void);

/** expect: run a command that ends with this errno and firmware status */
void expect(PspKvmGuest *vm, int command, void *data, int ret, int fw_error);

/** init_guest, start_guest: INIT2; INIT2 and LAUNCH_START */
void init_guest(PspKvmGuest *vm);
void start_guest(PspKvmGuest *vm);

/** start_guest_with: the same with VMSA features */
void start_guest_with(PspKvmGuest *vm, uint64_t features);

/** update_of: what LAUNCH_UPDATE gets */
struct kvm_sev_snp_launch_update update_of(uint64_t gpa, void *source,
                                           size_t size, int type);

/** launch: LAUNCH_UPDATE of all of a range */
void launch(PspKvmGuest *vm, uint64_t gpa, void *source, size_t size,
            int type);

/** finish_guest: LAUNCH_FINISH */
void finish_guest(PspKvmGuest *vm);

/** to_hex, digest_of: to be freed by the caller */
char *to_hex(const uint8_t digest[PSP_DIGEST_SIZE]);
char *digest_of(const PspKvmGuest *vm);

#endif
