/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that asks the emulated AMD-SP, and the chip that answers
 *
 * The guest's side of the channel is built at the level of the
 * specification's offsets, not from the structures under test.  Whole chains
 * are verified by others, see tests/functional/test_snp_attestation.py.
 */
#ifndef TESTS_UNIT_UPM_ATTESTATION_H
#define TESTS_UNIT_UPM_ATTESTATION_H

#include <gnutls/x509.h>
#include <linux/psp-sev.h>
#include "target/i386/psp/attest.h"
#include "target/i386/sev-certs.h"

#define POLICY      0x30000ULL
#define AEAD_OFLOW  0x1d

/* Offsets in the message, 56860 table 97 */
#define MSG_SEQNO   0x20
#define MSG_ALGO    0x30
#define MSG_HDR_VERSION 0x31
#define MSG_HDR_SIZE    0x32
#define MSG_TYPE    0x34
#define MSG_VERSION 0x35
#define MSG_SIZE    0x36
#define MSG_VMPCK   0x3c
#define MSG_PAYLOAD 0x60

typedef union Page {
    uint8_t bytes[PSP_PAGE_SIZE];
    PspMessage message;
} Page;

/* A folder for all that a program writes, and that of the first chip in it */
extern char *scratch;
extern char *chip_dir;

extern PspPlatform platform;
extern PspChip *other_chip;     /* in its place, where it is not NULL */
extern bool chip_broken;

/* Of the requests that are made, and of their responses */
extern uint8_t message_version;

/** attestation_init: call it first of all, with the arguments of main() */
void attestation_init(int *argc, char ***argv);

/** attestation_run: run the tests and tidy up.  Returns: as g_test_run() */
int attestation_run(void);

/** chip: the first chip, a Milan.  Made once: it takes seconds. */
PspChip *chip(void);

/** use_chip: have one of another product in its place, with a VLEK or not */
void use_chip(PspProductId product, bool vlek);

/** use_first_chip: the first one again, and the platform's options */
void use_first_chip(void);

/** new_guest: a running guest, with an ID block and an author's key */
PspGuest new_guest(void);

/*
 * The guest's side
 */

/** aes_gcm: encrypt a message with a key of 32 bytes, or decrypt it */
void aes_gcm(Page *page, const uint8_t *key, size_t size, bool encrypt,
             bool *authentic);

/** request_of: one that is right, to be spoilt before or after seal() */
Page request_of(int type, uint64_t seqno, unsigned vmpck,
                const void *payload, size_t size);

/** seal: encrypt it */
void seal(Page *page, const PspGuest *guest, unsigned key);

/** send_page: Returns: the firmware's status */
int send_page(PspGuest *guest, const Page *request, Page *response);

/** expect_refusal: @status: that the firmware gives for the request */
void expect_refusal(PspGuest *guest, const Page *request, int status);

/** ask: Returns: the payload of the response, which is authentic */
const uint8_t *ask(PspGuest *guest, Page *response, int type, unsigned vmpck,
                   const void *payload, size_t size, size_t answer_size);

/** fill_report_request: the payload of a MSG_REPORT_REQ */
void fill_report_request(uint8_t request[96], uint32_t vmpl);

/** ask_report: Returns: a MSG_REPORT_RSP, whose report is at 20h */
const uint8_t *ask_report(PspGuest *guest, Page *response, unsigned vmpck,
                          uint32_t vmpl);

/** expect_fill: all bytes have this value */
void expect_fill(const uint8_t *at, size_t size, uint8_t value);

/*
 * The chip's folder
 */

/** read_file: a file of the chip's folder, to be freed with g_free() */
void read_file(const char *name, gnutls_datum_t *out);

/** read_cert: a certificate there */
gnutls_x509_crt_t read_cert(const char *name, gnutls_x509_crt_fmt_t fmt);

/** signed_by: was it the key of this certificate?  signature_holds: VCEK */
bool signed_by(const uint8_t *report, const char *file);
bool signature_holds(const uint8_t *report);

/** expect_extension: of AMD's, by the end of its OID; @wanted: NULL: none */
void expect_extension(gnutls_x509_crt_t crt, const char *suffix,
                      const void *wanted, size_t wanted_size);

/** expect_name: the common name of the subject, or of the issuer */
void expect_name(gnutls_x509_crt_t crt, bool issuer, const char *name);

#endif
