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
#include "sev-digest.h"

static bool sha384(const void *data, size_t size,
                   uint8_t out[PSP_DIGEST_SIZE], Error **errp)
{
    size_t out_size = PSP_DIGEST_SIZE;

    return qcrypto_hash_bytes(QCRYPTO_HASH_ALGO_SHA384, data, size,
                              &out, &out_size, errp) == 0;
}

bool psp_digest_contents(const void *page, uint8_t contents[PSP_DIGEST_SIZE],
                         Error **errp)
{
    return sha384(page, PSP_PAGE_SIZE, contents, errp);
}

bool psp_digest_chain(uint8_t digest[PSP_DIGEST_SIZE], PspPageType type,
                      uint64_t gpa, const uint8_t vmpl_perms[3],
                      const uint8_t *contents, Error **errp)
{
    PspPageInfo info = {
        .length = cpu_to_le16(sizeof(info)),
        .page_type = type,
        .gpa = cpu_to_le64(gpa),
    };

    memcpy(info.digest_before, digest, sizeof(info.digest_before));
    memcpy(info.vmpl_perms, vmpl_perms, sizeof(info.vmpl_perms));
    if (contents) {
        memcpy(info.contents, contents, sizeof(info.contents));
    }
    return sha384(&info, sizeof(info), digest, errp);
}

bool psp_digest_extend(uint8_t digest[PSP_DIGEST_SIZE], PspPageType type,
                       uint64_t gpa, const void *page, Error **errp)
{
    static const uint8_t no_perms[3];
    bool has_contents = type == PSP_PAGE_NORMAL || type == PSP_PAGE_VMSA;
    uint8_t contents[PSP_DIGEST_SIZE];

    if (has_contents && !psp_digest_contents(page, contents, errp)) {
        return false;
    }
    return psp_digest_chain(digest, type, gpa, no_perms,
                            has_contents ? contents : NULL, errp);
}
