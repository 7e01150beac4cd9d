/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Restricted injection: #HV, the doorbell page and what is asked for by event
 *
 * APM volume 2, 15.36.16; GHCB specification, NAE events 80000014h and
 * 80000015h.
 */
#ifndef HV_H
#define HV_H

#include "snp.h"

#define HV              28
#define NAE_DOORBELL    0x80000014
#define NAE_HV_IPI      0x80000015
enum { PREFERRED, SET, QUERY, CLEAR };

/* Bytes of the page, and a bit of the second one */
enum { BELL_VECTOR = 0, BELL_FLAGS = 1, BELL_NMI = 1 };

/* What the interrupt command register of x2APIC takes */
#define SELF            (1 << 18)
#define NMI_TO(id)      ((u64)(id) << 32 | 1 << 14 | 4 << 8)
#define FIXED_TO(id, v) ((u64)(id) << 32 | 1 << 14 | (v))

/** hv_event: an NAE event; SW_EXITINFO1 << 32 | SW_EXITINFO2 */
static inline u64 hv_event(u64 code, u64 info1, u64 info2)
{
    u64 error;

    ghcb_clear();
    error = ghcb_call(code, info1, info2);
    return error << 32 | ghcb_get(GHCB_INFO2);
}

/** hv_send: an interrupt or NMI; @command as above */
static inline void hv_send(u64 command)
{
    hv_event(NAE_HV_IPI, command, 0);
}

/** hv_ring_at: this vCPU's doorbell is at @gpa; the answer of hv_event() */
static inline u64 hv_ring_at(u64 gpa)
{
    return hv_event(NAE_DOORBELL, SET, gpa);
}

#endif
