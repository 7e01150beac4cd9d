/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What memory occupies on the host
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "system/upm/resident.h"

#ifdef CONFIG_LINUX
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <linux/magic.h>

/* Linux, include/uapi/linux/mman.h and asm-generic/unistd.h, from 6.5 on */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

typedef struct CacheRange {
    uint64_t offset;
    uint64_t length;
} CacheRange;

typedef struct CacheStat {
    uint64_t pages;
    uint64_t others[4];
} CacheStat;

/* A vector has a byte for each page. */
#define PAGES_AT_ONCE 4096

bool upm_resident_of_file(int fd, uint64_t size, uint64_t *bytes)
{
    struct statfs fs;
    struct stat st;

    if (fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0 ||
        st.st_size != size ||
        (fs.f_type != TMPFS_MAGIC && fs.f_type != HUGETLBFS_MAGIC)) {
        return false;
    }
    *bytes = st.st_blocks * 512ULL;
    return true;
}

int upm_resident_count_file(int fd, uint64_t size, uint64_t *bytes)
{
    CacheRange range = { .length = size };
    CacheStat found = {};

    if (syscall(SYS_cachestat, fd, &range, &found, 0) < 0) {
        return -errno;
    }
    *bytes = found.pages * qemu_real_host_page_size();
    return 0;
}

int upm_resident_count_mapping(void *host, uint64_t size, uint64_t *bytes)
{
    size_t page = qemu_real_host_page_size();
    unsigned char in_core[PAGES_AT_ONCE];
    uint64_t at, pages = 0;

    for (at = 0; at < size; at += PAGES_AT_ONCE * page) {
        uint64_t length = MIN(size - at, PAGES_AT_ONCE * page);
        size_t i;

        if (mincore((char *)host + at, length, in_core) < 0) {
            return -errno;
        }
        for (i = 0; i < DIV_ROUND_UP(length, page); i++) {
            pages += in_core[i] & 1;
        }
    }
    *bytes = pages * page;
    return 0;
}

#else

bool upm_resident_of_file(int fd, uint64_t size, uint64_t *bytes)
{
    return false;
}

int upm_resident_count_file(int fd, uint64_t size, uint64_t *bytes)
{
    return -ENOSYS;
}

int upm_resident_count_mapping(void *host, uint64_t size, uint64_t *bytes)
{
    return -ENOSYS;
}

#endif
