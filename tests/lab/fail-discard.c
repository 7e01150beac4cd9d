/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into QEMU: no hole can be punched while the file that LAB_FAIL
 * names exists
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int fallocate64(int fd, int mode, off64_t offset, off64_t size)
{
    int (*next)(int, int, off64_t, off64_t) = dlsym(RTLD_NEXT, "fallocate64");

    if (mode & FALLOC_FL_PUNCH_HOLE && !access(getenv("LAB_FAIL"), F_OK)) {
        errno = EIO;
        return -1;
    }
    return next(fd, mode, offset, size);
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    return fallocate64(fd, mode, offset, size);
}
