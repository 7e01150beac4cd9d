/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SEV and SEV-ES guests of a host: its commands on the machine of
 * psp-machine.h, at the offsets of 55766 appendix C where there are any
 */
#ifndef TESTS_UNIT_UPM_PSP_SEV_H
#define TESTS_UNIT_UPM_PSP_SEV_H

#include <gnutls/abstract.h>
#include <linux/psp-sev.h>
#include "crypto/init.h"
#include "qapi/error.h"
#include "target/i386/psp/psp.h"
#include "target/i386/psp/sev-guest.h"
#include "psp-machine.h"

/* A certificate */
#define CERT_SIZE   0x824
#define CERT_BODY   0x414
#define CERT_CURVE  0x10
#define CERT_X      0x14
#define CERT_Y      0x5c
#define CERT_SIG(n) (0x414 + (n) * 0x208)

/** start_sev: a machine without SNP after INIT, with SEV-ES or not */
void start_sev(bool es);

/** launch_start: @handle: 0, or whose policy to share; the new guest's */
int launch_start(uint32_t policy, uint32_t *handle);

/** new_guest: its handle */
uint32_t new_guest(uint32_t policy);

int activate(uint32_t handle, uint32_t asid);

/** on_handle: a command that has nothing but a handle */
int on_handle(unsigned number, uint32_t handle);

PspCmdGuestStatus status_of(uint32_t handle);

/** launch: one of the commands of a launch that have an address and a size */
int launch(unsigned number, uint32_t handle, uint64_t spa, uint32_t size);

/** put_pattern: memory with something in it */
void put_pattern(uint64_t spa, size_t size);

/** reversed: a number of 48 bytes, big-endian, in @to */
gnutls_datum_t reversed(const uint8_t *from, uint8_t *to);

#endif
