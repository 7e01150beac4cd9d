/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Certificates for guests that ask for an attestation report
 *
 * The table of certificates: GHCB specification (56421), section 4.1.8.1.
 */
#ifndef TARGET_I386_SEV_CERTS_H
#define TARGET_I386_SEV_CERTS_H

#define SEV_CERTS_PAGE_SIZE 4096
/* More than any table has; what a guest may ask for is not bounded. */
#define SEV_CERTS_MAX       (1024 * 1024)

/* GUIDs stand in the table in the order in which they are written. */
typedef struct SevCertGuid {
    uint8_t bytes[16];
} SevCertGuid;

extern const SevCertGuid sev_cert_vcek, sev_cert_vlek;
extern const SevCertGuid sev_cert_ask, sev_cert_ark;

typedef struct SevCertEntry {
    SevCertGuid guid;
    uint32_t offset;            /* in bytes, from the start of the table */
    uint32_t length;
} SevCertEntry;

typedef struct SevCert {
    const SevCertGuid *guid;
    const void *data;           /* DER */
    size_t size;
} SevCert;

/** sev_certs_table: a table that holds @count certificates, in their order */
GByteArray *sev_certs_table(const SevCert *certs, size_t count);

/**
 * sev_certs_check: does @table hold together?
 *
 * Entries up to one of zeros, certificates behind them and inside the table.
 * Returns: false with @errp set.
 */
bool sev_certs_check(const void *table, size_t size, Error **errp);

/**
 * sev_certs_read: read a table from a file, which may change at any time
 * @lock: set to a descriptor that holds the file locked for reading until it
 *     is closed, so that it cannot be replaced before a report was made
 *
 * As linux/Documentation/virt/kvm/x86/amd-memory-encryption.rst wants it,
 * KVM_SEV_SNP_ENABLE_REQ_CERTS: a lock on the open file description, and who
 * replaces the certificates takes it for writing.
 *
 * Returns: NULL with @ret set to -EAGAIN where somebody does that right now,
 * else to another negative errno with @errp set.
 */
GByteArray *sev_certs_read(const char *path, int *lock, int *ret,
                           Error **errp);

/**
 * sev_certs_report: report why a guest gets no certificates or no report
 *
 * Once, until the reason is another one: guests may ask as often as they
 * like.  Frees @err.  Locking: none needed.
 */
void sev_certs_report(Error *err);

/** sev_certs_pages: pages that a guest has to provide for @table */
uint64_t sev_certs_pages(const GByteArray *table);

QEMU_BUILD_BUG_ON(sizeof(SevCertEntry) != 24);

#endif
