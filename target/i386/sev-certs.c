/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Certificates for guests that ask for an attestation report
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/lockable.h"
#include "qemu/thread.h"
#include "sev-certs.h"

/* 63da758d-e664-4564-adc5-f4b93be8accd */
const SevCertGuid sev_cert_vcek = { {
    0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64,
    0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd
} };

/* a8074bc2-a25a-483e-aae6-39c045a0b8a1 */
const SevCertGuid sev_cert_vlek = { {
    0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e,
    0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8, 0xa1
} };

/* 4ab7b379-bbac-4fe4-a02f-05aef327c782 */
const SevCertGuid sev_cert_ask = { {
    0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4,
    0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7, 0x82
} };

/* c0b406a4-a803-4952-9743-3fb6014cd0ae */
const SevCertGuid sev_cert_ark = { {
    0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52,
    0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0, 0xae
} };

GByteArray *sev_certs_table(const SevCert *certs, size_t count)
{
    static const SevCertEntry end;
    uint32_t offset = (count + 1) * sizeof(SevCertEntry);
    GByteArray *table = g_byte_array_new();

    for (size_t i = 0; i < count; i++) {
        SevCertEntry entry = {
            .guid = *certs[i].guid,
            .offset = cpu_to_le32(offset),
            .length = cpu_to_le32(certs[i].size),
        };

        g_byte_array_append(table, (const guint8 *)&entry, sizeof(entry));
        offset += certs[i].size;
    }
    g_byte_array_append(table, (const guint8 *)&end, sizeof(end));
    for (size_t i = 0; i < count; i++) {
        g_byte_array_append(table, certs[i].data, certs[i].size);
    }
    return table;
}

static SevCertEntry entry_at(const void *table, size_t index)
{
    SevCertEntry entry;

    memcpy(&entry, (const char *)table + index * sizeof(entry),
           sizeof(entry));
    return entry;
}

bool sev_certs_check(const void *table, size_t size, Error **errp)
{
    size_t room = size / sizeof(SevCertEntry), count;

    for (count = 0; count < room; count++) {
        SevCertEntry entry = entry_at(table, count);

        if (buffer_is_zero(&entry, sizeof(entry))) {
            break;
        }
    }
    if (count == room) {
        error_setg(errp, "it has no entry of zeros that ends the table; it"
                   " must be a table of GUIDs as of the GHCB specification,"
                   " not PEM or DER");
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        SevCertEntry entry = entry_at(table, i);
        uint64_t offset = le32_to_cpu(entry.offset);
        uint64_t length = le32_to_cpu(entry.length);

        if (offset < (count + 1) * sizeof(entry) || offset + length > size) {
            error_setg(errp, "certificate %zu at 0x%" PRIx64 " of 0x%" PRIx64
                       " bytes is not behind the table and inside the file"
                       " of 0x%zx bytes", i, offset, length, size);
            return false;
        }
    }
    return true;
}

/* Returns: 0 or a negative errno, -EAGAIN where a writer has it */
static int lock_for_reading(int fd)
{
    int ret = qemu_lock_fd(fd, 0, 0, false);

    return ret == -EACCES ? -EAGAIN : ret;
}

/* Returns: bytes read, -1 with errno set */
static ssize_t read_up_to(int fd, uint8_t *data, size_t size)
{
    size_t done = 0;
    ssize_t got;

    while (done < size) {
        got = RETRY_ON_EINTR(read(fd, data + done, size - done));
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        done += got;
    }
    return done;
}

static GByteArray *read_all(int fd, Error **errp)
{
    g_autoptr(GByteArray) table = g_byte_array_new();
    ssize_t got;

    /* One byte more than allowed tells a file that is too long. */
    g_byte_array_set_size(table, SEV_CERTS_MAX + 1);
    got = read_up_to(fd, table->data, table->len);
    if (got < 0) {
        error_setg_errno(errp, errno, "can not read it");
        return NULL;
    }
    if (got > SEV_CERTS_MAX) {
        error_setg(errp, "it is longer than %d bytes", SEV_CERTS_MAX);
        return NULL;
    }
    g_byte_array_set_size(table, got);
    return sev_certs_check(table->data, table->len, errp) ?
        g_steal_pointer(&table) : NULL;
}

GByteArray *sev_certs_read(const char *path, int *lock, int *ret,
                           Error **errp)
{
    ERRP_GUARD();
    GByteArray *table = NULL;
    int fd = qemu_open_old(path, O_RDONLY | O_CLOEXEC);

    *ret = -EIO;
    if (fd < 0) {
        *ret = -errno;
        error_setg_errno(errp, errno, "certs-path '%s'", path);
        return NULL;
    }
    *ret = lock_for_reading(fd);
    if (*ret == 0) {
        table = read_all(fd, errp);
        *ret = table ? 0 : -EIO;
    } else if (*ret != -EAGAIN) {
        error_setg_errno(errp, -*ret, "can not lock it");
    }
    if (!table) {
        if (*errp) {
            error_prepend(errp, "certs-path '%s': ", path);
        }
        close(fd);
        return NULL;
    }
    *lock = fd;
    return table;
}

void sev_certs_report(Error *err)
{
    static QemuMutex lock;
    static gsize ready;
    static char *last;
    const char *reason = error_get_pretty(err);

    if (g_once_init_enter(&ready)) {
        qemu_mutex_init(&lock);
        g_once_init_leave(&ready, 1);
    }
    QEMU_LOCK_GUARD(&lock);
    if (last && !strcmp(last, reason)) {
        error_free(err);
        return;
    }
    g_free(last);
    last = g_strdup(reason);
    error_reportf_err(err, "SEV-SNP attestation: ");
}

uint64_t sev_certs_pages(const GByteArray *table)
{
    return DIV_ROUND_UP(table->len, SEV_CERTS_PAGE_SIZE);
}
