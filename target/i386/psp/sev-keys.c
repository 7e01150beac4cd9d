/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The platform's keys and certificates: PEK_GEN to GET_ID
 *
 * Secure Encrypted Virtualization API (55766), sections 5.5 to 5.12.
 *
 * Locking: the BQL.
 */
#include "qemu/osdep.h"
#include <linux/psp-sev.h>
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "chip.h"
#include "host-abi.h"
#include "sev-guest.h"
#include "target/i386/sev-certs.h"

/* After INIT; PEK_GEN and PEK_CERT_IMPORT want no guests, too. */
static int check_init(const PspHost *host, bool guests)
{
    if (host->platform.sev_state == PSP_PLATFORM_UNINIT ||
        (!guests && psp_sev_is_working(host))) {
        return SEV_RET_INVALID_PLATFORM_STATE;
    }
    return SEV_RET_SUCCESS;
}

int psp_sev_pek_gen(PspHost *host, void *buffer)
{
    int status = check_init(host, false);

    if (!status) {
        status = psp_sev_identity_new_pek(&host->identity);
    }
    return status ?: psp_sev_save_identity(host);
}

int psp_sev_pdh_gen(PspHost *host, void *buffer)
{
    int status = check_init(host, true);

    if (!status) {
        status = psp_sev_identity_new_pdh(&host->identity);
    }
    return status ?: psp_sev_save_identity(host);
}

/* Tell what is asked for, or how much room it takes */
static int output(PspHost *host, PspCmdOutput *command, const void *data,
                  size_t size)
{
    uint64_t spa = le64_to_cpu(command->spa);
    uint32_t room = le32_to_cpu(command->size);
    int status;

    command->size = cpu_to_le32(size);
    if (room < size) {
        return SEV_RET_INVALID_LEN;
    }
    status = psp_host_writable(host, spa, room);
    return status ?: psp_host_write(host, spa, data, size);
}

int psp_sev_pek_csr(PspHost *host, void *buffer)
{
    PspSevCert csr;
    int status = check_init(host, true);

    if (status) {
        return status;
    }
    psp_sev_identity_csr(&host->identity, &csr);
    return output(host, buffer, &csr, sizeof(csr));
}

int psp_sev_pek_cert_import(PspHost *host, void *buffer)
{
    const PspCmdPekCertImport *import = buffer;
    PspSevCert pek, oca;
    int status = check_init(host, false);

    if (status) {
        return status;
    }
    if (host->identity.owned) {
        return SEV_RET_ALREADY_OWNED;
    }
    if (le32_to_cpu(import->pek_size) != sizeof(pek) ||
        le32_to_cpu(import->oca_size) != sizeof(oca)) {
        return SEV_RET_INVALID_LEN;
    }
    status = psp_host_read(host, le64_to_cpu(import->pek_spa), &pek,
                           sizeof(pek));
    if (!status) {
        status = psp_host_read(host, le64_to_cpu(import->oca_spa), &oca,
                               sizeof(oca));
    }
    if (!status) {
        status = psp_sev_identity_import(&host->identity, &pek, &oca);
    }
    return status ?: psp_sev_save_identity(host);
}

int psp_sev_pdh_cert_export(PspHost *host, void *buffer)
{
    PspCmdPdhCertExport *export = buffer;
    uint64_t pdh_spa = le64_to_cpu(export->pdh_spa);
    uint64_t chain_spa = le64_to_cpu(export->chain_spa);
    uint32_t pdh_size = le32_to_cpu(export->pdh_size);
    uint32_t chain_size = le32_to_cpu(export->chain_size);
    const PspSevCert *pdh = &host->identity.pdh;
    PspSevChain chain;
    int status = check_init(host, true);

    if (status) {
        return status;
    }
    export->pdh_size = cpu_to_le32(sizeof(*pdh));
    export->chain_size = cpu_to_le32(sizeof(chain));
    if (pdh_size < sizeof(*pdh) || chain_size < sizeof(chain)) {
        return SEV_RET_INVALID_LEN;
    }
    status = psp_host_writable(host, pdh_spa, pdh_size);
    if (!status) {
        status = psp_host_writable(host, chain_spa, chain_size);
    }
    if (!status) {
        status = psp_host_write(host, pdh_spa, pdh, sizeof(*pdh));
    }
    if (status) {
        return status;
    }
    psp_sev_identity_chain(&host->identity, &chain);
    return psp_host_write(host, chain_spa, &chain, sizeof(chain));
}

int psp_sev_get_id(PspHost *host, void *buffer)
{
    const PspPlatformOps *ops = host->platform.ops;
    PspCmdOutput *command = buffer;
    uint8_t id[PSP_CHIP_ID_SIZE] = { 0 };
    Error *err = NULL;
    PspChip *chip;

    /* Not to make a chip for a question about the room it takes */
    if (le32_to_cpu(command->size) >= sizeof(id)) {
        chip = ops->chip(host->platform.opaque, &err);
        if (!chip) {
            sev_certs_report(err);
            return SEV_RET_HWSEV_RET_PLATFORM;
        }
        memcpy(id, psp_chip_id(chip), sizeof(id));
    }
    return output(host, command, id, sizeof(id));
}
