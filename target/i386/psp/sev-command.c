/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Launching SEV and SEV-ES guests
 *
 * Secure Encrypted Virtualization API (55766), sections 6.2 to 6.7.  Memory
 * is plain text here: to encrypt a page in place changes nothing.
 *
 * Locking: the BQL.
 */
#include "qemu/osdep.h"
#include <linux/psp-sev.h>
#include "crypto/random.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "host-abi.h"
#include "psp.h"
#include "sev-guest.h"

/* Of a secret, as of AMD's firmware */
#define SECRET_MAX      (20 * KiB)

/*
 * LAUNCH_START
 */

/* What an owner asks for */
static int check_policy(uint32_t policy)
{
    unsigned major = policy >> PSP_SEV_POLICY_MAJOR_SHIFT & 0xff;
    unsigned minor = policy >> PSP_SEV_POLICY_MINOR_SHIFT & 0xff;

    if (major > PSP_API_MAJOR ||
        (major == PSP_API_MAJOR && minor > PSP_API_MINOR) ||
        policy & PSP_SEV_POLICY_RESERVED) {
        return SEV_RET_POLICY_FAILURE;
    }
    return SEV_RET_SUCCESS;
}

/*
 * The owner's certificate and session, where there are such.  Without, the
 * policy is the host's own word: AMD's firmware takes it as it is, with an API
 * version and with reserved bits that it does not know.
 */
static int open_channel(PspHost *host, const PspCmdLaunchStart *start,
                        PspSevGuest *guest)
{
    PspSevSession session;
    PspSevCert cert;
    int status;

    if (!start->cert_spa) {
        return SEV_RET_SUCCESS;
    }
    if (le32_to_cpu(start->session_size) != sizeof(session)) {
        return SEV_RET_INVALID_LEN;
    }
    status = psp_host_read(host, le64_to_cpu(start->session_spa), &session,
                           sizeof(session));
    if (status) {
        return status;
    }
    if (le32_to_cpu(start->cert_size) != sizeof(cert)) {
        return SEV_RET_INVALID_LEN;
    }
    status = psp_host_read(host, le64_to_cpu(start->cert_spa), &cert,
                           sizeof(cert));
    if (status) {
        return status;
    }
    status = psp_sev_channel_open(&guest->channel, &host->identity.pdh_key,
                                  &cert, &session);
    if (!status) {
        status = psp_sev_channel_policy(&guest->channel, guest->policy,
                                        &session);
    }
    return status ?: check_policy(guest->policy);
}

/* Guests of one owner may share a key, which memory here has not. */
static int check_shared(PspHost *host, uint32_t handle, uint32_t policy)
{
    const PspSevGuest *other = psp_sev_guest(host, handle);

    if (!handle) {
        return SEV_RET_SUCCESS;
    }
    if (!other) {
        return SEV_RET_INVALID_GUEST;
    }
    if (other->policy != policy || policy & PSP_SEV_POLICY_NOKS) {
        return SEV_RET_POLICY_FAILURE;
    }
    return SEV_RET_SUCCESS;
}

static int start_guest(PspHost *host, const PspCmdLaunchStart *start,
                       PspSevGuest *guest, uint32_t *handle)
{
    int status = open_channel(host, start, guest);

    if (!status) {
        status = check_shared(host, le32_to_cpu(start->handle),
                              guest->policy);
    }
    if (status) {
        return status;
    }
    if (host->guest_count == PSP_SEV_GUESTS) {
        return SEV_RET_RESOURCE_LIMIT;
    }
    if (guest->policy & PSP_SEV_POLICY_ES && !host->es) {
        return SEV_RET_UNSUPPORTED;
    }
    guest->measuring = qcrypto_hash_new(QCRYPTO_HASH_ALGO_SHA256, NULL);
    if (!guest->measuring) {
        return SEV_RET_HWSEV_RET_PLATFORM;
    }
    guest->state = PSP_SEV_LUPDATE;
    *handle = psp_sev_guest_add(host, guest);
    return SEV_RET_SUCCESS;
}

int psp_sev_launch_start(PspHost *host, void *buffer)
{
    PspCmdLaunchStart *start = buffer;
    PspSevGuest *guest;
    uint32_t handle;
    int status;

    if (host->platform.sev_state == PSP_PLATFORM_UNINIT) {
        return SEV_RET_INVALID_PLATFORM_STATE;
    }
    guest = g_new0(PspSevGuest, 1);
    guest->policy = le32_to_cpu(start->policy);
    status = start_guest(host, start, guest, &handle);
    if (status) {
        psp_sev_guest_free(guest);
    } else {
        start->handle = cpu_to_le32(handle);
    }
    return status;
}

/*
 * The launch
 */

static int find_in_state(PspHost *host, uint32_t handle, PspSevState state,
                         PspSevGuest **guest)
{
    int status = psp_sev_find_guest(host, handle, guest);

    if (!status && (*guest)->state != state) {
        status = SEV_RET_INVALID_GUEST_STATE;
    }
    return status;
}

static int measure(PspHost *host, PspSevGuest *guest, uint64_t spa,
                   uint32_t size)
{
    g_autofree char *piece = g_malloc(PSP_SEV_PIECE);

    while (size) {
        size_t part = MIN(size, PSP_SEV_PIECE);
        int status = psp_host_read(host, spa, piece, part);

        if (status) {
            return status;
        }
        if (qcrypto_hash_update(guest->measuring, piece, part, NULL) < 0) {
            return SEV_RET_HWSEV_RET_PLATFORM;
        }
        spa += part;
        size -= part;
    }
    return SEV_RET_SUCCESS;
}

static int launch_update(PspHost *host, const PspCmdLaunch *update,
                         bool is_vmsa)
{
    uint64_t spa = le64_to_cpu(update->spa);
    uint32_t size = le32_to_cpu(update->size);
    PspSevGuest *guest;
    int status = find_in_state(host, update->handle, PSP_SEV_LUPDATE, &guest);

    if (status) {
        return status;
    }
    if (is_vmsa && !(guest->policy & PSP_SEV_POLICY_ES)) {
        return SEV_RET_UNSUPPORTED;
    }
    if (!guest->asid) {
        return SEV_RET_INACTIVE;
    }
    if (!psp_sev_is_aligned(spa)) {
        return SEV_RET_INVALID_ADDRESS;
    }
    if (!size || !psp_sev_is_aligned(size) || size > PSP_SEV_DATA_MAX) {
        return SEV_RET_INVALID_LEN;
    }
    status = psp_host_writable(host, spa, size);
    return status ?: measure(host, guest, spa, size);
}

int psp_sev_launch_update_data(PspHost *host, void *buffer)
{
    return launch_update(host, buffer, false);
}

int psp_sev_launch_update_vmsa(PspHost *host, void *buffer)
{
    const PspCmdLaunch *update = buffer;

    if (le32_to_cpu(update->size) != PSP_PAGE_SIZE) {
        return SEV_RET_INVALID_LEN;
    }
    return launch_update(host, update, true);
}

static int finish_measuring(PspSevGuest *guest, PspSevMeasurement *measurement)
{
    uint8_t *digest = guest->digest;
    size_t size = sizeof(guest->digest);

    if (qcrypto_random_bytes(measurement->nonce, sizeof(measurement->nonce),
                             NULL) < 0 ||
        qcrypto_hash_finalize_bytes(guest->measuring, &digest, &size,
                                    NULL) < 0) {
        return SEV_RET_HWSEV_RET_PLATFORM;
    }
    return psp_sev_channel_measure(&guest->channel, guest->policy,
                                   guest->digest, measurement);
}

int psp_sev_launch_measure(PspHost *host, void *buffer)
{
    PspCmdLaunch *command = buffer;
    uint64_t spa = le64_to_cpu(command->spa);
    uint32_t size = le32_to_cpu(command->size);
    PspSevMeasurement measurement;
    PspSevGuest *guest;
    int status = find_in_state(host, command->handle, PSP_SEV_LUPDATE,
                               &guest);

    if (status) {
        return status;
    }
    if (size < sizeof(measurement)) {
        command->size = cpu_to_le32(sizeof(measurement));
        return SEV_RET_INVALID_LEN;
    }
    status = psp_host_writable(host, spa, size);
    /* A digest ends once only: find out first whether it can be told. */
    memset(&measurement, 0, sizeof(measurement));
    if (!status) {
        status = psp_host_write(host, spa, &measurement, sizeof(measurement));
    }
    if (!status) {
        status = finish_measuring(guest, &measurement);
    }
    if (status) {
        return status;
    }
    qcrypto_hash_free(guest->measuring);
    guest->measuring = NULL;
    memcpy(guest->channel.measurement, measurement.mac,
           sizeof(measurement.mac));
    guest->state = PSP_SEV_LSECRET;
    return psp_host_write(host, spa, &measurement, sizeof(measurement));
}

static int put_secret(PspHost *host, PspSevGuest *guest,
                      const PspCmdLaunchSecret *secret)
{
    uint32_t size = le32_to_cpu(secret->guest_size);
    g_autofree uint8_t *data = g_malloc(size);
    PspSevPacket header;
    int status = psp_host_read(host, le64_to_cpu(secret->header_spa), &header,
                               sizeof(header));

    if (!status) {
        status = psp_host_read(host, le64_to_cpu(secret->transport_spa), data,
                               size);
    }
    if (!status) {
        status = psp_sev_channel_secret(&guest->channel, &header, data, size);
    }
    if (!status) {
        status = psp_host_write(host, le64_to_cpu(secret->guest_spa), data,
                                size);
    }
    explicit_bzero(data, size);
    return status;
}

int psp_sev_launch_secret(PspHost *host, void *buffer)
{
    const PspCmdLaunchSecret *secret = buffer;
    uint32_t size = le32_to_cpu(secret->guest_size);
    PspSevGuest *guest;
    int status = psp_sev_find_guest(host, secret->handle, &guest);

    if (status) {
        return status;
    }
    if (!psp_sev_is_aligned(le64_to_cpu(secret->guest_spa))) {
        return SEV_RET_INVALID_ADDRESS;
    }
    if (le32_to_cpu(secret->header_size) != sizeof(PspSevPacket) ||
        !size || !psp_sev_is_aligned(size) || size > SECRET_MAX ||
        secret->guest_size != secret->transport_size) {
        return SEV_RET_INVALID_LEN;
    }
    if (guest->state != PSP_SEV_LSECRET) {
        return SEV_RET_INVALID_GUEST_STATE;
    }
    if (!guest->asid) {
        return SEV_RET_INACTIVE;
    }
    status = psp_host_writable(host, le64_to_cpu(secret->guest_spa), size);
    return status ?: put_secret(host, guest, secret);
}

int psp_sev_launch_finish(PspHost *host, void *buffer)
{
    const PspCmdHandle *finish = buffer;
    PspSevGuest *guest;
    int status = find_in_state(host, finish->handle, PSP_SEV_LSECRET, &guest);

    if (!status) {
        explicit_bzero(&guest->channel, sizeof(guest->channel));
        guest->state = PSP_SEV_RUNNING;
    }
    return status;
}
