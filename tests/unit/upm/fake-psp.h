/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine for the emulated firmware: memory, an RMP, and an eye on what
 * the firmware does to both
 *
 *   0        MACHINE_RMP       MACHINE_RMP_END     MACHINE_RAM
 *   | pages with RMP entries   | the RMP's place   | Default pages |
 *
 * The tests' own way to an entry is machine_entry(); the firmware's is
 * machine_ops, which ends the test when the firmware
 *  - touches entries without the lock, or the memory of the RMP,
 *  - writes to a page that is not its own and not a guest's to be launched,
 *  - brings a page into a state that no command leads to,
 *  - keeps memory mapped.
 */
#ifndef TESTS_UNIT_UPM_FAKE_PSP_H
#define TESTS_UNIT_UPM_FAKE_PSP_H

#include "target/i386/psp/attest.h"
#include "target/i386/psp/command.h"
#include "target/i386/psp/command-abi.h"
#include "target/i386/psp/page-state.h"
#include "target/i386/psp/status.h"

#define PAGE            ((uint64_t)PSP_PAGE_SIZE)
#define LARGE           (2ULL << 20)
#define MACHINE_RMP     (3 * LARGE)
#define MACHINE_RMP_END (MACHINE_RMP + LARGE / 2)
#define MACHINE_RAM     (4 * LARGE)
#define MACHINE_ASIDS   16

#define MILAN           0x00a00f11
#define GENOA           0x00a10f11

#define POLICY      0x30000ULL
#define DEBUGGABLE  (POLICY | PSP_POLICY_DEBUG)
#define ASID        3

/* Where things are in the machine's memory */
#define CONTEXT     0x10000ULL
#define OTHER       0x11000ULL
#define TARGET      0x20000ULL
#define SOURCE      0x30000ULL
#define BIG         (2 * LARGE)
#define GPA         0x40000000ULL
#define DEFAULT     (MACHINE_RMP_END + 0x5000)
#define NO_RAM      (MACHINE_RAM + 0x5000)
#define IN_RMP      (MACHINE_RMP + 0x5000)

/* Statuses by shorter names */
enum {
    OK = SEV_RET_SUCCESS,
    PAGE_STATE = PSP_STATUS_INVALID_PAGE_STATE,
    PAGE_SIZE_ = PSP_STATUS_INVALID_PAGE_SIZE,
    PARAM = SEV_RET_INVALID_PARAM,
    ADDRESS = SEV_RET_INVALID_ADDRESS,
    PLATFORM = SEV_RET_INVALID_PLATFORM_STATE,
    GUEST = SEV_RET_INVALID_GUEST,
    GUEST_STATE = SEV_RET_INVALID_GUEST_STATE,
};

extern PspPlatform machine;
extern uint8_t *machine_ram;
extern unsigned machine_flushes;
extern bool machine_map_fails;

/** machine_reset: memory of A5h, an RMP of zeros, SNP_INIT done */
void machine_reset(void);

/** machine_free: the memory, when all tests are done */
void machine_free(void);

/** machine_entry: the entry of a page */
SevRmpEntry *machine_entry(uint64_t spa);

/** machine_state: the state of a page, Default pages included */
PspPageState machine_state(uint64_t spa);

/**
 * machine_put: bring a page into @state, as other commands would have
 * @asid: for the states of a guest's pages
 * @gpa: likewise
 */
void machine_put(uint64_t spa, PspPageState state, unsigned asid,
                 uint64_t gpa);

/** machine_update: write an entry, or one for all of 2 MiB */
void machine_update(uint64_t spa, const SevRmpEntry *entry, bool large);

/** machine_guest: the guest context at a Context page */
PspGuest *machine_guest(uint64_t spa);

/** machine_fingerprint: memory, RMP, guest contexts and ASIDs in one number */
uint64_t machine_fingerprint(void);

/** machine_check_launched: what LAUNCH_UPDATE makes of the entry of a page */
void machine_check_launched(uint64_t spa, int type);

/** machine_run: psp_snp_command() with no more than the command's own bytes */
int machine_run(unsigned command, const PspCommandBuffer *buffer);

/*
 * Command buffers, and what they are used for most
 */

PspCommandBuffer gctx_buffer(uint64_t gctx);
PspCommandBuffer start_buffer(uint64_t gctx, uint64_t policy);
PspCommandBuffer activate_buffer(uint64_t gctx, uint32_t asid);
PspCommandBuffer activate_ex_buffer(uint64_t gctx, uint32_t asid);
PspCommandBuffer update_buffer(uint64_t gctx, int type, uint64_t spa);
PspCommandBuffer finish_buffer(uint64_t gctx);
PspCommandBuffer status_buffer(uint64_t gctx, uint64_t spa);
PspCommandBuffer request_buffer(uint64_t gctx, uint64_t request,
                                uint64_t response);
PspCommandBuffer debug_buffer(uint64_t gctx, uint64_t from, uint64_t to);
PspCommandBuffer page_buffer(uint64_t spa);

/** expect: run a command that ends with this status */
void expect(unsigned command, PspCommandBuffer buffer, int status);

/** create_guest, start_guest, run_guest: each does what the one before does */
void create_guest(uint64_t spa);
void start_guest(uint64_t spa, uint64_t policy, unsigned asid);
void run_guest(uint64_t spa, uint64_t policy, unsigned asid);

/** put_page, put_large_page: pages of the guest with ASID */
void put_page(uint64_t spa, uint64_t gpa);
void put_large_page(uint64_t spa, PspPageState state, uint64_t gpa);

/** seal_request: a MSG_TSC_INFO_REQ, which needs no chip */
void seal_request(uint64_t spa, const PspGuest *guest, uint64_t seqno);

#endif
