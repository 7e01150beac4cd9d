/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What bare-metal payloads for software protected VMs share
 *
 * Page states change by KVM_HC_MAP_GPA_RANGE (Linux, hypercalls.rst) or, on
 * the lab's kernel with an encryption bit, by touching the other side.
 */
#ifndef KVM_H
#define KVM_H

#include "checks.h"
#include "layout.h"

/** payload: what the first processor runs; its end is finish() */
void payload(void);
/** ap_main: what the others run, run_on()'s calls if not said otherwise */
void ap_main(unsigned index);
/** start_cpus: start the others; returns when @others of them run */
void start_cpus(unsigned others);
/** run_on: call @fn on vCPU @index, 0 is the first, and wait for its end */
void run_on(unsigned index, void (*fn)(void));

/** cbit: the encryption bit as a mask, 0 on a kernel without one */
extern u64 cbit;

/* An address below 1 GiB, or in the DIMM, through either view */
static inline void *shar(u64 gpa) { return (void *)gpa; }
static inline void *priv(u64 gpa) { return (void *)(gpa + PRIVATE_VA); }

/** map_gpa_range: the hypercall; 0 or a negative errno of KVM's */
int64_t map_gpa_range(u64 gpa, u64 pages, u64 attributes);
#define TO_PRIVATE 0x10
#define TO_SHARED  0
/** must_map: the same; a failure ends the payload */
void must_map(u64 gpa, u64 pages, u64 attributes);

/** map_dimm: the GiB from DIMM_GPA on, in both views */
void map_dimm(void);

/* Names of checks, as T() and S(), that need an encryption bit. */
#define CBIT_T(name) name
#define CBIT_S(name) name

static inline void outb(u16 port, u8 value)
{
    asm volatile("outb %0, %1" :: "a"(value), "Nd"(port));
}

static inline void outl(u16 port, u32 value)
{
    asm volatile("outl %0, %1" :: "a"(value), "Nd"(port));
}

/** pci_write: 8 or 32 bits of the configuration of a device on bus 0 */
void pci_write8(unsigned device, unsigned offset, u8 value);
void pci_write32(unsigned device, unsigned offset, u32 value);

/** discards: does the policy discard a half?  @half: 'p' or 's' */
bool discards(char half);
/** host_cpus: how many vCPUs there are */
unsigned host_cpus(void);
/** host_fails: what the host cannot do from now on, and at which @gpa */
#define FAILS_NOTHING   0
#define FAILS_DISCARD   1
#define FAILS_MARK      2
static inline void host_fails(unsigned what, u64 gpa)
{
    host("fails", NULL, what, gpa, 0);
}
/** host_resident: memory of both halves as it is now, `# resident BYTES` */
static inline void host_resident(void)
{
    host("resident", NULL, 0, 0, 0);
}

#endif
