/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The launch digest: a chain of SHA-384 over what was put into a guest
 *
 * SEV-SNP Firmware ABI (56860), section 8.17.2.  The chain is over a few
 * bytes a page; the pages themselves are hashed by several threads, as they
 * do not depend on each other.
 */
#include "qemu/osdep.h"
#include "crypto/hash.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "qemu/thread.h"
#include "psp.h"

/* Pages that a thread takes at a time; fewer are not worth a thread. */
#define PAGES_AT_A_TIME     32
#define THREADS_MAX         4

typedef uint8_t PspHash[PSP_DIGEST_SIZE];

/* What the threads of one command share: whoever is free takes the next. */
typedef struct Work {
    void *const *pages;
    const uint8_t *source;
    PspHash *hashes;
    size_t count;
    size_t next;
} Work;

static bool sha384(const void *data, size_t size,
                   uint8_t out[PSP_DIGEST_SIZE], Error **errp)
{
    size_t out_size = PSP_DIGEST_SIZE;

    return qcrypto_hash_bytes(QCRYPTO_HASH_ALGO_SHA384, data, size,
                              &out, &out_size, errp) == 0;
}

static bool do_page(Work *work, size_t i, Error **errp)
{
    if (work->source) {
        memcpy(work->pages[i], work->source + i * PSP_PAGE_SIZE,
               PSP_PAGE_SIZE);
    }
    return sha384(work->pages[i], PSP_PAGE_SIZE, work->hashes[i], errp);
}

/* Returns: NULL or an Error */
static void *do_work(void *opaque)
{
    Work *work = opaque;
    Error *err = NULL;
    size_t begin, i;

    while (!err) {
        begin = qatomic_fetch_add(&work->next, PAGES_AT_A_TIME);
        if (begin >= work->count) {
            break;
        }
        for (i = begin; i < MIN(begin + PAGES_AT_A_TIME, work->count); i++) {
            if (!do_page(work, i, &err)) {
                break;
            }
        }
    }
    return err;
}

static bool hash_pages(Work *work, Error **errp)
{
    QemuThread threads[THREADS_MAX];
    size_t used = MIN(MIN(g_get_num_processors(), THREADS_MAX),
                      DIV_ROUND_UP(work->count, PAGES_AT_A_TIME));
    Error *err = NULL;

    for (size_t i = 1; i < used; i++) {
        qemu_thread_create(&threads[i], "psp-digest", do_work, work,
                           QEMU_THREAD_JOINABLE);
    }
    err = do_work(work);
    for (size_t i = 1; i < used; i++) {
        /* keeps the first error, frees the others */
        error_propagate(&err, qemu_thread_join(&threads[i]));
    }
    error_propagate(errp, err);
    return !err;
}

bool psp_digest_extend(uint8_t digest[PSP_DIGEST_SIZE], PspPageType type,
                       uint64_t gpa, void *const *pages, const void *source,
                       size_t count, Error **errp)
{
    g_autofree PspHash *hashes = g_new0(PspHash, count);
    Work work = {
        .pages = pages, .source = source, .hashes = hashes, .count = count,
    };
    PspHash chain;

    if ((type == PSP_PAGE_NORMAL || type == PSP_PAGE_VMSA) &&
        !hash_pages(&work, errp)) {
        return false;
    }

    memcpy(chain, digest, sizeof(chain));
    for (size_t i = 0; i < count; i++) {
        PspPageInfo info = {
            .length = cpu_to_le16(sizeof(info)),
            .page_type = type,
            .gpa = cpu_to_le64(gpa + i * PSP_PAGE_SIZE),
        };

        memcpy(info.digest_before, chain, sizeof(chain));
        memcpy(info.contents, hashes[i], sizeof(info.contents));
        if (!sha384(&info, sizeof(info), chain, errp)) {
            return false;
        }
    }
    memcpy(digest, chain, sizeof(chain));
    return true;
}
