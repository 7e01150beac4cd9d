/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -machine q35,snp-host=on: an AMD host with SEV, SEV-ES and SEV-SNP
 *
 * The machine's part: the object that all of the host world's state hangs
 * on, the place of the reverse map table (RMP), and the devices.  The
 * processor's part stands in target/i386/tcg/snp/host/, the firmware's in
 * target/i386/psp/.
 */
#ifndef HW_I386_SNP_HOST_H
#define HW_I386_SNP_HOST_H

#include "qemu/notify.h"
#include "qemu/seqlock.h"
#include "qemu/thread.h"
#include "qom/object.h"

typedef struct Error Error;
typedef struct IOMMUTLBEntry IOMMUTLBEntry;
typedef struct MachineState MachineState;
typedef struct MemoryRegion MemoryRegion;
typedef struct SnpHostVcpu SnpHostVcpu;

#define TYPE_SNP_HOST "snp-host"

/* CPUID 8000_001F: where an encrypted page is marked, and what that costs */
#define SNP_HOST_CBIT           51
#define SNP_HOST_PHYS_BITS      48
#define SNP_HOST_REDUCTION      5
/* Guests at a time; those with SEV-ES or SEV-SNP have the ASIDs below */
#define SNP_HOST_ASIDS          12
#define SNP_HOST_MIN_SEV_ASID   9

/* Extended feature register of an AMD IOMMU: SNPSup */
#define SNP_HOST_IOMMU_SNP      (1ULL << 63)

/**
 * SnpHost: a host's part of SEV-SNP; a child of its machine
 *
 * @machine: whose child it is
 * @vcpus: what QEMU's own vCPUs lack, by cpu_index; there are
 *     MachineState.smp.max_cpus
 * @rmp_base, @rmp_end: first and last byte of the RMP, system-physical;
 *     MSRs RMP_BASE and RMP_END
 * @rmp: where it is mapped, NULL before the machine has RAM
 * @rmp_lock: of writers of the RMP, see tcg/snp/host/rmp.h
 * @rmp_sequence: of readers, who find an entry's two words as they were
 *     written together
 * @rmp_mr: the region that @rmp points into
 * @marks: which translations a page may have, by its number; there are
 *     @mark_count, see tcg/snp/host/marks.h
 * @blocker: of migration
 * @machine_done: takes the RMP out of what firmware is told of RAM
 */
typedef struct SnpHost {
    Object parent_obj;
    MachineState *machine;
    SnpHostVcpu *vcpus;
    uint64_t rmp_base, rmp_end;
    void *rmp;
    QemuMutex rmp_lock;
    QemuSeqLock rmp_sequence;
    MemoryRegion *rmp_mr;
    uint64_t *marks;
    uint64_t mark_count;
    Error *blocker;
    Notifier machine_done;
} SnpHost;

DECLARE_INSTANCE_CHECKER(SnpHost, SNP_HOST, TYPE_SNP_HOST)

#if defined(CONFIG_TCG)

/** snp_host: the machine's, NULL where it has none; anywhere, anytime */
SnpHost *snp_host(void);

/** snp_host_class_init: give a PC's class the property snp-host */
void snp_host_class_init(ObjectClass *oc);

/**
 * snp_host_enter, snp_host_init_machine: the steps of a q35 machine's set-up
 *
 * The first one, before there is a vCPU, gives the processor what a host's
 * has.  The second one, after everything else, reserves memory for the RMP
 * and creates the IOMMU.  Both end QEMU with a message where that is not
 * possible, and do nothing on a machine without snp-host=on.
 */
void snp_host_enter(MachineState *machine);
void snp_host_init_machine(MachineState *machine);

/** snp_host_iommu_features: bits that an AMD IOMMU's feature register gains */
uint64_t snp_host_iommu_features(void);

/**
 * snp_host_check_dma: the RMP check of what a device does to memory
 * @entry: the IOMMU's translation of @iova; loses what is around that page of
 *     4 KiB, and the right to write where the page is not the hypervisor's or
 *     @writes is not set
 * @writes: false where nobody is going to write
 */
void snp_host_check_dma(IOMMUTLBEntry *entry, uint64_t iova, bool writes);

#else

static inline SnpHost *snp_host(void)
{
    return NULL;
}

static inline void snp_host_class_init(ObjectClass *oc)
{
}

static inline void snp_host_enter(MachineState *machine)
{
}

static inline void snp_host_init_machine(MachineState *machine)
{
}

static inline uint64_t snp_host_iommu_features(void)
{
    return 0;
}

static inline void snp_host_check_dma(IOMMUTLBEntry *entry, uint64_t iova,
                                      bool writes)
{
}

#endif

#endif
