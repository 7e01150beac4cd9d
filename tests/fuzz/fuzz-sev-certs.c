/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables of certificates: one that is accepted can be read as Linux and
 * go-sev-guest do without leaving it, and one that is made is accepted
 *
 * Sources: target/i386/sev-certs.c
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "target/i386/sev-certs.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    return 0;
}

/* ASan sees where a certificate is outside. */
static void read_all_of(const uint8_t *table)
{
    static const uint8_t end[24];

    for (const uint8_t *entry = table; memcmp(entry, end, 24); entry += 24) {
        uint32_t offset = ldl_le_p(entry + 16), length = ldl_le_p(entry + 20);

        g_free(g_memdup2(table + offset, length));
    }
}

static void make(const uint8_t *data, size_t size)
{
    SevCert certs[3] = {
        { &sev_cert_vcek, data, size / 2 },
        { &sev_cert_ask, data + size / 2, size - size / 2 },
        { &sev_cert_ark, data, size },
    };
    g_autoptr(GByteArray) table = sev_certs_table(certs, ARRAY_SIZE(certs));

    FUZZ_ASSERT(sev_certs_check(table->data, table->len, NULL));
    FUZZ_ASSERT(table->len == 96 + 2 * size);
    FUZZ_ASSERT(sev_certs_pages(table) == (table->len + 4095) / 4096);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree uint8_t *exact = g_memdup2(data, size);
    Error *err = NULL;

    if (sev_certs_check(exact, size, &err)) {
        read_all_of(exact);
    }
    error_free(err);
    make(data, size);
    return 0;
}
