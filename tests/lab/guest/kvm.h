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
/** ap_main: what the others run; @index from 1 on */
void ap_main(unsigned index);
/** start_cpus: start the others; returns when @others of them run */
void start_cpus(unsigned others);

/** cbit: the encryption bit as a mask, 0 on a kernel without one */
extern u64 cbit;

/* An address below 1 GiB through either view */
static inline void *shar(u64 gpa) { return (void *)gpa; }
static inline void *priv(u64 gpa) { return (void *)(gpa + PRIVATE_VA); }

/** map_gpa_range: the hypercall; 0 or a negative errno of KVM's */
int64_t map_gpa_range(u64 gpa, u64 pages, u64 attributes);
#define TO_PRIVATE 0x10
#define TO_SHARED  0

/** host_policy: first letter of the policy of discarding */
static inline char host_policy(void)
{
    return host("policy", NULL, 0, 0, 0);
}

#endif
