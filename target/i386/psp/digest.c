/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The launch digest: a chain of SHA-384 over what was put into a guest
 *
 * SEV-SNP Firmware ABI (56860), section 8.17.2
 */
#include "qemu/osdep.h"
#include "crypto/hash.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "psp.h"

static bool sha384(const void *data, size_t size,
                   uint8_t out[PSP_DIGEST_SIZE], Error **errp)
{
    size_t out_size = PSP_DIGEST_SIZE;

    return qcrypto_hash_bytes(QCRYPTO_HASH_ALGO_SHA384, data, size,
                              &out, &out_size, errp) == 0;
}

bool psp_digest_extend(uint8_t digest[PSP_DIGEST_SIZE], PspPageType type,
                       uint64_t gpa, const void *page, Error **errp)
{
    bool has_contents = type == PSP_PAGE_NORMAL || type == PSP_PAGE_VMSA;
    PspPageInfo info = {
        .length = cpu_to_le16(sizeof(info)),
        .page_type = type,
        .gpa = cpu_to_le64(gpa),
    };

    memcpy(info.digest_before, digest, sizeof(info.digest_before));
    if (has_contents && !sha384(page, PSP_PAGE_SIZE, info.contents, errp)) {
        return false;
    }
    return sha384(&info, sizeof(info), digest, errp);
}
