/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine for the emulated firmware: RAM, an RMP in it, two processors and
 * an IOMMU, all of which a test may spoil
 */
#ifndef TESTS_UNIT_UPM_PSP_MACHINE_H
#define TESTS_UNIT_UPM_PSP_MACHINE_H

#include "qemu/units.h"
#include "target/i386/psp/host.h"
#include "target/i386/psp/host-abi.h"
#include "target/i386/psp/page-state.h"
#include "target/i386/psp/status.h"

#define RAM_SIZE        (32 * MiB)
#define RMP_BASE        (24 * MiB)
#define RMP_SIZE        (1 * MiB)
#define PAGE            4096

/* Where tests put things */
#define BUFFER          (1 * MiB)       /* the command buffer */
#define DATA            (2 * MiB)       /* what it points to */
#define TMR             (4 * MiB)
#define NV              (8 * MiB)
#define EVENT_LOG       (10 * MiB)
#define PPR_LOG         (11 * MiB)
#define WAIT_PAGE       (12 * MiB)

#define MAX_ASID        12
#define MIN_SEV_ASID    9

#define SYSCFG_GOOD     (PSP_SYSCFG_MTRR_FIX_DRAM | PSP_SYSCFG_MEM_ENCRYPT | \
                         PSP_SYSCFG_SNP | PSP_SYSCFG_VMPL)

typedef struct Machine {
    PspHost host;
    uint8_t *ram;
    PspMsrs msrs[2];
    PspIommu iommu;
    PspChip *chip;                      /* NULL: it is broken */
    unsigned locked, flushes, mapped;
} Machine;

extern Machine machine;

/** machine_start: a new one, as after reset */
void machine_start(void);
void machine_stop(void);

/** command: run one with @size bytes at BUFFER, which come back */
int command(unsigned number, void *buffer, size_t size);

/** run: one without a buffer */
int run(unsigned number);

/** no_snp: SNP is off on every processor */
void no_snp(void);

/** state_of, set_state: the page state of a page */
PspPageState state_of(uint64_t spa);
void set_state(uint64_t spa, PspPageState state);

/** make_firmware: pages of a range, as a host does before a command */
void make_firmware(uint64_t spa, uint64_t size);

/* SNP_INIT_EX and INIT, which have to succeed */
void snp_init(void);
void sev_init(uint16_t flags);

#endif
