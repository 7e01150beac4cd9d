/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The platform's identity towards owners of SEV and SEV-ES guests
 *
 * Secure Encrypted Virtualization API (55766), section 2.1: the chip's CEK
 * and the owner's CA (OCA) sign the PEK, which signs the PDH.
 *
 * Locking: none needed.
 */
#ifndef TARGET_I386_PSP_SEV_IDENTITY_H
#define TARGET_I386_PSP_SEV_IDENTITY_H

#include "sev-cert.h"

/* What PDH_CERT_EXPORT gives besides the PDH's certificate */
typedef struct PspSevChain {
    PspSevCert pek;
    PspSevCert oca;
    PspSevCert cek;
} PspSevChain;

/**
 * PspSevIdentity: keys and certificates
 *
 * @cek is the chip's, and there from the start.  The others are @made by
 * INIT, and forgotten by PLATFORM_RESET.
 * @owned: the OCA is somebody else's, PEK_CERT_IMPORT
 */
typedef struct PspSevIdentity {
    PspSevKey cek;
    bool made;
    bool owned;
    PspSevKey oca_key, pek_key, pdh_key;
    PspSevCert oca, pek, pdh;
} PspSevIdentity;

/**
 * psp_sev_identity_make: what there is not yet of OCA, PEK and PDH
 *
 * Returns: SEV_RET_SUCCESS, or HWSEV_RET_PLATFORM with @identity unchanged.
 */
int psp_sev_identity_make(PspSevIdentity *identity);

/**
 * psp_sev_identity_new_pek: PEK_GEN, all new but the CEK
 *
 * Returns: as psp_sev_identity_make() does.
 */
int psp_sev_identity_new_pek(PspSevIdentity *identity);

/** psp_sev_identity_new_pdh: PDH_GEN.  Returns: as the others */
int psp_sev_identity_new_pdh(PspSevIdentity *identity);

/** psp_sev_identity_forget: PLATFORM_RESET, all but the CEK */
void psp_sev_identity_forget(PspSevIdentity *identity);

/** psp_sev_identity_csr: PEK_CSR, the PEK without signatures */
void psp_sev_identity_csr(const PspSevIdentity *identity, PspSevCert *csr);

/**
 * psp_sev_identity_import: PEK_CERT_IMPORT
 *
 * Returns: SEV_RET_SUCCESS, ALREADY_OWNED, INVALID_CERTIFICATE,
 * BAD_SIGNATURE, HWSEV_RET_PLATFORM; @identity is changed on success only.
 */
int psp_sev_identity_import(PspSevIdentity *identity, const PspSevCert *pek,
                            const PspSevCert *oca);

/** psp_sev_identity_chain: PDH_CERT_EXPORT's chain */
void psp_sev_identity_chain(const PspSevIdentity *identity,
                            PspSevChain *chain);

/* Bytes of INIT_EX' non-volatile memory, whatever is in it */
#define PSP_SEV_NV_SIZE     (32 * 1024)

/** psp_sev_identity_save: write to non-volatile memory, all of it */
void psp_sev_identity_save(const PspSevIdentity *identity,
                           uint8_t nv[PSP_SEV_NV_SIZE]);

/**
 * psp_sev_identity_load: read from non-volatile memory
 *
 * Memory of one value only is empty and leaves @identity without keys.
 * Returns: SEV_RET_SUCCESS, SECURE_DATA_INVALID with @identity unchanged.
 */
int psp_sev_identity_load(PspSevIdentity *identity,
                          const uint8_t nv[PSP_SEV_NV_SIZE]);

QEMU_BUILD_BUG_ON(sizeof(PspSevChain) != 3 * 2084);

#endif
