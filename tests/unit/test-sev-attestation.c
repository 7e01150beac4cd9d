/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP: guest messages, and how they and reports are laid out
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "upm/attestation.h"

static void test_message_layout(void)
{
    g_assert_cmphex(offsetof(PspMessage, header.authtag), ==, 0);
    g_assert_cmphex(offsetof(PspMessage, header.seqno), ==, MSG_SEQNO);
    g_assert_cmphex(offsetof(PspMessage, header.algorithm), ==, MSG_ALGO);
    g_assert_cmphex(offsetof(PspMessage, header.header_version), ==,
                    MSG_HDR_VERSION);
    g_assert_cmphex(offsetof(PspMessage, header.header_size), ==,
                    MSG_HDR_SIZE);
    g_assert_cmphex(offsetof(PspMessage, header.type), ==, MSG_TYPE);
    g_assert_cmphex(offsetof(PspMessage, header.version), ==, MSG_VERSION);
    g_assert_cmphex(offsetof(PspMessage, header.size), ==, MSG_SIZE);
    g_assert_cmphex(offsetof(PspMessage, header.vmpck), ==, MSG_VMPCK);
    g_assert_cmphex(offsetof(PspMessage, payload), ==, MSG_PAYLOAD);

    g_assert_cmphex(offsetof(PspReportRequest, vmpl), ==, 0x40);
    g_assert_cmphex(offsetof(PspReportRequest, key_select), ==, 0x44);
    g_assert_cmphex(offsetof(PspReportResponse, size), ==, 0x04);
    g_assert_cmphex(offsetof(PspReportResponse, report), ==, 0x20);
    g_assert_cmphex(offsetof(PspKeyRequest, fields), ==, 0x08);
    g_assert_cmphex(offsetof(PspKeyRequest, vmpl), ==, 0x10);
    g_assert_cmphex(offsetof(PspKeyRequest, guest_svn), ==, 0x14);
    g_assert_cmphex(offsetof(PspKeyRequest, tcb), ==, 0x18);
    g_assert_cmphex(offsetof(PspKeyResponse, key), ==, 0x20);
    g_assert_cmphex(offsetof(PspTscResponse, scale), ==, 0x08);
    g_assert_cmphex(offsetof(PspTscResponse, offset), ==, 0x10);
    g_assert_cmphex(offsetof(PspTscResponse, factor), ==, 0x18);
    g_assert_cmphex(offsetof(PspKeyRequest2, launch_mit_vector), ==, 0x20);
}

static void test_report_layout(void)
{
    static const struct {
        size_t at, wanted;
    } fields[] = {
        { offsetof(PspReport, version), 0x000 },
        { offsetof(PspReport, guest_svn), 0x004 },
        { offsetof(PspReport, policy), 0x008 },
        { offsetof(PspReport, family_id), 0x010 },
        { offsetof(PspReport, image_id), 0x020 },
        { offsetof(PspReport, vmpl), 0x030 },
        { offsetof(PspReport, signature_algorithm), 0x034 },
        { offsetof(PspReport, current_tcb), 0x038 },
        { offsetof(PspReport, platform_info), 0x040 },
        { offsetof(PspReport, flags), 0x048 },
        { offsetof(PspReport, report_data), 0x050 },
        { offsetof(PspReport, measurement), 0x090 },
        { offsetof(PspReport, host_data), 0x0c0 },
        { offsetof(PspReport, id_key_digest), 0x0e0 },
        { offsetof(PspReport, author_key_digest), 0x110 },
        { offsetof(PspReport, report_id), 0x140 },
        { offsetof(PspReport, report_id_ma), 0x160 },
        { offsetof(PspReport, reported_tcb), 0x180 },
        { offsetof(PspReport, cpuid_family), 0x188 },
        { offsetof(PspReport, cpuid_model), 0x189 },
        { offsetof(PspReport, cpuid_stepping), 0x18a },
        { offsetof(PspReport, chip_id), 0x1a0 },
        { offsetof(PspReport, committed_tcb), 0x1e0 },
        { offsetof(PspReport, current_build), 0x1e8 },
        { offsetof(PspReport, current_minor), 0x1e9 },
        { offsetof(PspReport, current_major), 0x1ea },
        { offsetof(PspReport, committed_build), 0x1ec },
        { offsetof(PspReport, committed_minor), 0x1ed },
        { offsetof(PspReport, committed_major), 0x1ee },
        { offsetof(PspReport, launch_tcb), 0x1f0 },
        { offsetof(PspReport, launch_mit_vector), 0x1f8 },
        { offsetof(PspReport, current_mit_vector), 0x200 },
        { offsetof(PspReport, signature.r), 0x2a0 },
        { offsetof(PspReport, signature.s), 0x2e8 },
        { sizeof(PspReport), 0x4a0 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        g_assert_cmphex(fields[i].at, ==, fields[i].wanted);
    }
}

/* One thing wrong with a request that is right otherwise */
typedef struct BadHeader {
    const char *name;
    size_t at, size;
    uint64_t value;
    int status;
} BadHeader;

static const BadHeader bad_headers[] = {
    { "replay", MSG_SEQNO, 8, 3, AEAD_OFLOW },
    { "response-number", MSG_SEQNO, 8, 4, AEAD_OFLOW },
    { "gap", MSG_SEQNO, 8, 6, AEAD_OFLOW },
    { "next-but-one", MSG_SEQNO, 8, 7, AEAD_OFLOW },
    { "number-zero", MSG_SEQNO, 8, 0, AEAD_OFLOW },
    { "number-upper-half", MSG_SEQNO, 8, 0x100000005, AEAD_OFLOW },
    { "no-algorithm", MSG_ALGO, 1, 0, SEV_RET_INVALID_PARAM },
    { "algorithm", MSG_ALGO, 1, 2, SEV_RET_INVALID_PARAM },
    { "header-version", MSG_HDR_VERSION, 1, 2, SEV_RET_INVALID_PARAM },
    { "header-size", MSG_HDR_SIZE, 2, 0x61, SEV_RET_INVALID_PARAM },
    { "type-invalid", MSG_TYPE, 1, 0, SEV_RET_INVALID_PARAM },
    { "type-cpuid-and-size", MSG_TYPE, 1, 1, SEV_RET_INVALID_PARAM },
    { "type-response", MSG_TYPE, 1, 6, SEV_RET_INVALID_PARAM },
    { "type-export", MSG_TYPE, 1, 7, SEV_RET_INVALID_PARAM },
    { "type-import", MSG_TYPE, 1, 9, SEV_RET_INVALID_PARAM },
    { "type-absorb", MSG_TYPE, 1, 11, SEV_RET_INVALID_PARAM },
    { "type-vmrk", MSG_TYPE, 1, 13, SEV_RET_INVALID_PARAM },
    { "type-unknown", MSG_TYPE, 1, 0xff, SEV_RET_INVALID_PARAM },
    { "version-0", MSG_VERSION, 1, 0, SEV_RET_INVALID_PARAM },
    { "version-2", MSG_VERSION, 1, 2, SEV_RET_INVALID_PARAM },
    { "size-short", MSG_SIZE, 2, 95, SEV_RET_INVALID_PARAM },
    { "size-long", MSG_SIZE, 2, 97, SEV_RET_INVALID_PARAM },
    { "size-of-page", MSG_SIZE, 2, 0xfa0, SEV_RET_INVALID_PARAM },
    { "size-max", MSG_SIZE, 2, 0xffff, SEV_RET_INVALID_PARAM },
    { "vmpck-4", MSG_VMPCK, 1, 4, SEV_RET_INVALID_PARAM },
    { "vmpck-255", MSG_VMPCK, 1, 255, SEV_RET_INVALID_PARAM },
};

static void test_bad_header(const void *data)
{
    const BadHeader *bad = data;
    PspGuest guest = new_guest();
    uint8_t payload[96];
    Page request, good, response;

    ask_report(&guest, &response, 0, 0);
    ask_report(&guest, &response, 0, 0);
    g_assert_cmpuint(guest.message_count[0], ==, 4);

    fill_report_request(payload, 0);
    good = request = request_of(5, 5, 0, payload, sizeof(payload));
    memset(request.bytes + bad->at, 0, bad->size);
    for (size_t i = 0; i < bad->size; i++) {
        request.bytes[bad->at + i] = bad->value >> 8 * i;
    }
    /* Authentic all the same, as far as it can be */
    if (bad->at == MSG_SIZE) {
        aes_gcm(&request, guest.vmpck[0], MIN(bad->value, 0xfa0), true, NULL);
    } else {
        seal(&request, &guest, 0);
    }
    expect_refusal(&guest, &request, bad->status);

    /* and the right one is still welcome */
    seal(&good, &guest, 0);
    g_assert_cmphex(send_page(&guest, &good, &response), ==, 0);
}

/* VMPL0's request for a report, ready to be sent */
static Page report_request(const PspGuest *guest, uint64_t seqno)
{
    uint8_t payload[96];
    Page request;

    fill_report_request(payload, 0);
    request = request_of(5, seqno, 0, payload, sizeof(payload));
    seal(&request, guest, 0);
    return request;
}

static void test_replay(void)
{
    PspGuest guest = new_guest();
    Page request = report_request(&guest, 1), response;

    g_assert_cmphex(send_page(&guest, &request, &response), ==, 0);
    expect_refusal(&guest, &request, AEAD_OFLOW);
    /* The response is no request. */
    expect_refusal(&guest, &response, SEV_RET_INVALID_PARAM);
}

/* Each bit that is authenticated: tag, header from 30h on, and payload */
static void test_not_authentic(void)
{
    PspGuest guest = new_guest();
    Page request = report_request(&guest, 1), response;

    for (size_t i = 0; i < MSG_PAYLOAD + 96; i++) {
        bool checked_before = i >= MSG_ALGO && i < 0x38;

        /* The rest of the tag, the number, and what is not authenticated */
        if ((i >= 16 && i < MSG_ALGO) || checked_before || i == MSG_VMPCK) {
            continue;
        }
        request.bytes[i] ^= 0x40;
        expect_refusal(&guest, &request, SEV_RET_BAD_MEASUREMENT);
        request.bytes[i] ^= 0x40;
    }
    g_assert_cmphex(send_page(&guest, &request, &response), ==, 0);
}

/* Each VMPCK has a key and a count of its own. */
static void test_vmpck(void)
{
    PspGuest guest = new_guest();
    uint8_t payload[96];
    Page request, response;

    fill_report_request(payload, 3);
    for (unsigned i = 0; i < PSP_VMPCKS; i++) {
        request = request_of(5, 1, i, payload, sizeof(payload));
        seal(&request, &guest, (i + 1) % PSP_VMPCKS);
        expect_refusal(&guest, &request, SEV_RET_BAD_MEASUREMENT);
    }
    for (unsigned i = 0; i < PSP_VMPCKS; i++) {
        for (unsigned n = 0; n <= i; n++) {
            ask_report(&guest, &response, i, 3);
        }
    }
    for (unsigned i = 0; i < PSP_VMPCKS; i++) {
        g_assert_cmpuint(guest.message_count[i], ==, 2 * (i + 1));
    }
}

static void test_last_number(void)
{
    PspGuest guest = new_guest();
    Page request, response;

    guest.message_count[0] = UINT64_MAX - 3;
    ask_report(&guest, &response, 0, 0);
    request = report_request(&guest, UINT64_MAX);
    expect_refusal(&guest, &request, AEAD_OFLOW);
    request = report_request(&guest, 1);
    expect_refusal(&guest, &request, AEAD_OFLOW);
}

static void test_not_running(void)
{
    PspGuest guest = new_guest();
    Page request = report_request(&guest, 1);

    guest.state = PSP_STATE_LAUNCH;
    expect_refusal(&guest, &request, SEV_RET_INVALID_GUEST_STATE);
}

/* A guest may ask again when the host has mended it. */
static void test_broken_chip(void)
{
    PspGuest guest = new_guest();
    Page request = report_request(&guest, 1), response;

    chip_broken = true;
    expect_refusal(&guest, &request, SEV_RET_HWSEV_RET_PLATFORM);
    chip_broken = false;
    g_assert_cmphex(send_page(&guest, &request, &response), ==, 0);
}

int main(int argc, char **argv)
{
    attestation_init(&argc, &argv);
    g_test_add_func("/sev/attestation/layout/messages", test_message_layout);
    g_test_add_func("/sev/attestation/layout/report", test_report_layout);
    for (size_t i = 0; i < ARRAY_SIZE(bad_headers); i++) {
        g_autofree char *path = g_strdup_printf(
            "/sev/attestation/message/%s", bad_headers[i].name);

        g_test_add_data_func(path, &bad_headers[i], test_bad_header);
    }
    g_test_add_func("/sev/attestation/message/replayed", test_replay);
    g_test_add_func("/sev/attestation/message/not-authentic",
                    test_not_authentic);
    g_test_add_func("/sev/attestation/message/vmpck", test_vmpck);
    g_test_add_func("/sev/attestation/message/last-number", test_last_number);
    g_test_add_func("/sev/attestation/message/not-running", test_not_running);
    g_test_add_func("/sev/attestation/message/broken-chip", test_broken_chip);
    return attestation_run();
}
