/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The least that a launch can cost: copy each page of an image and hash it,
 * and the page's entry in the chain, by the library that QEMU hashes with.
 *
 * usage: sha384 IMAGE, prints nanoseconds of CPU time
 */
#define _GNU_SOURCE
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define DIGEST 48
/* SEV-SNP Firmware ABI (56860), 8.17.2: PAGE_INFO */
#define ENTRY 0x70

static int64_t now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static int hash_page(const uint8_t *page, uint8_t entry[ENTRY])
{
    uint8_t digest[DIGEST];

    if (gnutls_hash_fast(GNUTLS_DIG_SHA384, page, PAGE, entry + DIGEST) ||
        gnutls_hash_fast(GNUTLS_DIG_SHA384, entry, ENTRY, digest)) {
        return -1;
    }
    memcpy(entry, digest, DIGEST);
    return 0;
}

static uint8_t *map_memfd(size_t size)
{
    int fd = memfd_create("guest", 0);

    if (fd < 0 || ftruncate(fd, size)) {
        return MAP_FAILED;
    }
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

int main(int argc, char **argv)
{
    static uint8_t image[64 << 20];
    uint8_t entry[ENTRY] = { 0 };
    uint8_t *copy;
    size_t size, at;
    int64_t began;
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;

    if (!file) {
        fprintf(stderr, "usage: sha384 IMAGE\n");
        return 1;
    }
    size = fread(image, 1, sizeof(image), file) & -(size_t)PAGE;
    fclose(file);
    began = now();
    /* Fresh memory of a file without a name, as a guest's is. */
    copy = map_memfd(size);
    if (copy == MAP_FAILED) {
        return 1;
    }
    for (at = 0; at < size; at += PAGE) {
        memcpy(copy + at, image + at, PAGE);
        if (hash_page(copy + at, entry)) {
            return 1;
        }
    }
    printf("%" PRId64 "\n", now() - began);
    return 0;
}
