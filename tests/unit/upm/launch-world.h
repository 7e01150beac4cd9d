/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the launch plan is launched into: two blocks of memory, each with its
 * two halves, the page states of the real core, and the emulated firmware
 *
 * RAM has two sections, as two memory slots would be; the firmware's image
 * ends at 4 GiB.
 */
#ifndef TESTS_UNIT_UPM_LAUNCH_WORLD_H
#define TESTS_UNIT_UPM_LAUNCH_WORLD_H

#include <linux/kvm.h>
#include "qemu/units.h"
#include "system/upm/host.h"
#include "target/i386/psp/kvm-rules.h"
#include "target/i386/sev-launch/plan.h"

#define PAGE        PSP_PAGE_SIZE
#define POLICY      0x30000
#define SIGNATURE   0x800f12
#define FD          77
#define DEBUG_SWAP  (1 << 5)

#define RAM_SIZE    (16 * MiB)
#define RAM_SPLIT   0x802000ULL
#define BIOS_SIZE   (4 * PAGE)
#define BIOS_GPA    (4 * GiB - BIOS_SIZE)

enum { RAM, BIOS, BLOCKS };

typedef struct Block {
    uint64_t size;
    uint8_t *shared, *private;
    bool *assigned;
    UpmBlock *upm;
} Block;

extern Block blocks[BLOCKS];

/* What new_plan() has in it, in this order */
#define LAYOUT_RANGES 5

typedef struct LayoutRange {
    hwaddr gpa;
    uint64_t size;
    PspPageType type;
    SevLaunchSource source;
} LayoutRange;

extern const LayoutRange layout[LAYOUT_RANGES];

/* What has happened to page states and shared memory, a line each */
extern GString *events;

extern unsigned vcpus;
extern PspKvmGuest vm;

/* What command() does; new_plan() resets it. */
extern unsigned pages_a_call;       /* 0: all of them */
extern unsigned refusals;           /* answer that often as follows */
extern int refusal, refusal_status;
extern unsigned idle;               /* do nothing, and say it is done */
extern unsigned calls;
extern hwaddr broken;               /* EIO for this page */

/** launch_init: call it first of all, with the arguments of main() */
void launch_init(int *argc, char ***argv);

/** command: sev_ioctl() for LAUNCH_UPDATE, with the ways of KVM */
int command(int fd, int cmd, void *data, int *fw_error);

/** vcpu_reset: how a vCPU starts */
void vcpu_reset(unsigned index, PspVcpuReset *reset);

extern const SevLaunchVcpus plan_vcpus;

/** bit_name: what -cpu calls a bit of CPUID, or NULL */
const char *bit_name(uint32_t leaf, uint32_t subleaf, unsigned reg,
                     unsigned bit);

/** new_plan: blocks with content, a firmware at LAUNCH_START, and the layout */
SevLaunchPlan new_plan(UpmDiscardPolicy discard);

/** free_plan: the plan, and the blocks */
void free_plan(SevLaunchPlan *plan);

/** add_layout: once more */
void add_layout(SevLaunchPlan *plan);

/** fill_shared: the content of the shared halves that is launched */
void fill_shared(void);

/** cpuid_page: the CPUID page in the shared half */
PspCpuidPage *cpuid_page(void);

/**
 * run_start: INIT2 and LAUNCH_START
 * @features: of VMSAs
 */
void run_start(SevLaunchPlan *plan, uint64_t features);

/** start_firmware: the same with a guest context that is new */
void start_firmware(SevLaunchPlan *plan, uint64_t features);

/** launch: all of the plan, and LAUNCH_FINISH */
void launch(SevLaunchPlan *plan);

#endif
