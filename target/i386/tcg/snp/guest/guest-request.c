/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SNP Guest Request: the hypervisor carries messages between guest and
 * firmware, and adds certificates to reports
 *
 * GHCB specification (56421), sections 4.1.7 and 4.1.8; the results are those
 * that KVM gives (Linux, Documentation/virt/kvm/api.rst,
 * KVM_EXIT_SNP_REQ_CERTS).
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "target/i386/sev-certs.h"
#include "target/i386/sev-firmware.h"
#include "tcg/snp/guest/ghcb.h"

#define PAGE SEV_GUEST_MESSAGE_SIZE

/* The hypervisor's part of the result */
#define VMM_INVALID_LENGTH  (1ULL << 32)
#define VMM_BUSY            (2ULL << 32)
#define VMM_GENERIC         (0xffffffffULL << 32)

static bool find_page(SnpGuestRequest *request, hwaddr gpa, size_t size,
                      bool is_write, SnpShared *shared)
{
    if (snp_shared_find(gpa, size, is_write, shared)) {
        return true;
    }
    request->no_memory = true;
    return false;
}

/* Copy to or from guest RAM.  Returns: false where there is none. */
static bool copy_page(SnpGuestRequest *request, hwaddr gpa, void *data,
                      size_t size, bool to_guest)
{
    SnpShared shared;

    if (!find_page(request, gpa, size, to_guest, &shared)) {
        return false;
    }
    if (to_guest) {
        memcpy(shared.host, data, size);
        snp_shared_dirty(&shared, size);
    } else {
        memcpy(data, shared.host, size);
    }
    return true;
}

static bool put_table(SnpGuestRequest *request, const GByteArray *table)
{
    for (size_t done = 0; done < table->len; done += PAGE) {
        size_t size = MIN(PAGE, table->len - done);

        if (!copy_page(request, request->data + done, table->data + done, size,
                       true)) {
            return false;
        }
    }
    return true;
}

/*
 * Certificates go to the guest before the firmware is asked, so that too
 * little room does not cost the guest a message number.  Guests give none to
 * learn how much it takes.
 *
 * Returns: the hypervisor's part of the result; 0 to go on.
 */
static uint64_t give_certs(SnpGuestRequest *request, int *lock)
{
    g_autoptr(GByteArray) table = NULL;
    uint64_t needed;
    int ret;

    table = sev_firmware_certs(lock, &ret);
    if (!table) {
        return ret == -EAGAIN ? VMM_BUSY : VMM_GENERIC;
    }
    needed = sev_certs_pages(table);
    if (needed > request->pages) {
        request->pages = needed;
        return VMM_INVALID_LENGTH;
    }
    return put_table(request, table) ? 0 : VMM_GENERIC;
}

/* KVM writes one page whatever the status, so there has to be room for it. */
static uint64_t ask_firmware(SnpGuestRequest *request, const uint8_t *message)
{
    uint8_t answer[PAGE];
    uint32_t status = sev_firmware_guest_request(message, answer);
    SnpShared room;

    if (status) {
        return find_page(request, request->response, PAGE, true, &room)
               ? status : VMM_GENERIC;
    }
    return copy_page(request, request->response, answer, sizeof(answer), true)
           ? 0 : VMM_GENERIC;
}

bool snp_guest_request(SnpGuestRequest *request, uint64_t *result)
{
    uint8_t message[PAGE];
    int lock = -1;

    if (!copy_page(request, request->request, message, sizeof(message),
                   false)) {
        *result = VMM_GENERIC;
        return true;
    }
    *result = 0;
    if (!sev_firmware_is_ready(message)) {
        request->again = true;
        return true;
    }
    if (request->extended && sev_firmware_is_report_request(message)) {
        if (!request->has_data || request->data % PAGE) {
            return false;
        }
        *result = give_certs(request, &lock);
    }
    if (!*result) {
        *result = ask_firmware(request, message);
    }
    /* Held until the report that the certificates belong to was made */
    if (lock >= 0) {
        close(lock);
    }
    return true;
}
